# SPDX-License-Identifier: Apache-2.0
"""Makes a host slow: TCP that comes in at DEVICE goes through a TUN device first, and waits there.

usage: late.py DEVICE FILE

FILE has the milliseconds a packet waits, and is read anew for each one. Needs no netem, which is a kernel module. The
host's own addresses are looked up behind the TUN device, so nothing the host serves sees a difference but the time. (TCP alone:
ARP is answered only for what a route calls local. And no early demultiplexing: it gives a packet its socket before the
route, and what has a socket is not forwarded.)
"""
import collections
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

device, file = sys.argv[1:]
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"late0", IFF_TUN | IFF_NO_PI))

commands = """
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.ip_early_demux=0 net.ipv4.conf.late0.rp_filter=0
ip link set late0 up
ip route add default dev late0 table 100
ip rule add pref 20 lookup local
ip rule add pref 10 iif DEVICE ipproto tcp lookup 100
ip rule del pref 0
"""
for command in commands.replace("DEVICE", device).strip().splitlines():
    subprocess.run(command.split(), check=True)
print("ready", flush=True)

waiting = collections.deque()  # in the order they came, also when the wait gets shorter
while True:
    pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    if select.select([tun], [], [], pause)[0]:
        try:
            packet = os.read(tun, 65536)
        except BlockingIOError:
            continue
        with open(file) as text:
            waiting.append((time.monotonic() + float(text.read()) / 1000, packet))
    while waiting and waiting[0][0] <= time.monotonic():
        os.write(tun, waiting.popleft()[1])
