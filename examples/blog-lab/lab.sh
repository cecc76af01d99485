#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# VS/NAT by hand: what `vsnat demo` builds, as commands to read and change. Needs root, iproute2 and python3.
#
#   ./lab.sh up        the namespaces lab-client, lab-director, lab-rs1, lab-rs2, and a web server in each lab-rs*
#   ./lab.sh director  the daemon in lab-director, in the foreground
#   ./lab.sh get       one request from the client
#   ./lab.sh down      nothing left
set -eu
here=$(cd "$(dirname "$0")" && pwd)
vsnat=$here/../../bin/vsnat

cable() { # namespace, director's end, director's address, namespace's address
    ip netns add "$1"
    ip -n "$1" link set lo up
    ip link add "$2" netns lab-director type veth peer name eth0 netns "$1"
    ip -n lab-director address add "$3/24" dev "$2"
    ip -n lab-director link set "$2" up
    ip -n "$1" address add "$4/24" dev eth0
    ip -n "$1" link set eth0 up
    # The one thing VS/NAT asks of a real server: its way out leads through the director.
    ip -n "$1" route add default via "$3"
}

up() {
    ip netns add lab-director
    ip -n lab-director link set lo up
    cable lab-client clients 10.1.0.1 10.1.0.2
    cable lab-rs1 to-rs1 10.2.1.1 10.2.1.2
    cable lab-rs2 to-rs2 10.2.2.1 10.2.2.2
    # vsnat never makes a machine a router by itself; that is the administrator's decision.
    ip netns exec lab-director sysctl -qw net.ipv4.ip_forward=1
    for n in 1 2; do
        folder=$(mktemp -d "/tmp/lab-rs$n.XXXXXX")
        echo "rs$n" >"$folder/index.html"
        ip netns exec "lab-rs$n" python3 -m http.server --directory "$folder" 8080 >"$folder/log" 2>&1 &
    done
}

down() {
    for name in lab-client lab-rs1 lab-rs2 lab-director; do
        [ -e "/run/netns/$name" ] || continue
        ip netns pids "$name" | xargs -r kill
        ip netns delete "$name"
    done
    rm -rf /tmp/lab-rs1.* /tmp/lab-rs2.*
}

case ${1:-} in
up) up ;;
director) exec ip netns exec lab-director "$vsnat" run -c "$here/vsnat.yaml" ;;
get) ip netns exec lab-client curl -s http://10.9.0.1/ ;;
down) down ;;
*)
    sed -n '4,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
