// SPDX-License-Identifier: Apache-2.0
/** `ipvsadm -h` and `-v`. The version begins as ipvsadm's does, for scripts that look; then it says who answers. */

/** The ipvsadm whose options, complaints and listings these are. */
const modelledOn = 'ipvsadm v1.31';

export const versionText = (version: string): string => `${modelledOn} (vsnat ${version}, IPVS v1.2.1)`;

export const helpText = (version: string): string => `${versionText(version)}
Usage:
  ipvsadm -A|E SERVICE [-s SCHEDULER] [-b FLAGS] [-p [SECONDS]] [-M NETMASK] [-o]
  ipvsadm -D SERVICE
  ipvsadm -a|e SERVICE -r SERVER -m [-w WEIGHT] [-x UPPER] [-y LOWER]
  ipvsadm -d SERVICE -r SERVER
  ipvsadm -L|l [SERVICE] [-n] [--stats|--rate|--thresholds|--persistent-conn] [--exact] [--nosort]
  ipvsadm -L -c | --timeout | --daemon
  ipvsadm -S [-n]          ipvsadm -R          ipvsadm -C
  ipvsadm -Z [SERVICE]     ipvsadm --set TCP TCPFIN UDP

SERVICE is -t HOST:PORT (--tcp-service), -u HOST:PORT (--udp-service), --sctp-service HOST:PORT or
-f MARK [-6] (--fwmark-service, of the configuration file only), SERVER is HOST[:PORT]. Port 0, every port, is for
persistent services.

  -A --add-service   -E --edit-service   -D --delete-service   -C --clear
  -a --add-server    -e --edit-server    -d --delete-server    -Z --zero
  -L --list          -S --save           -R --restore          --set
  -s --scheduler     -b --sched-flags    -r --real-server      -m --masquerading
  -w --weight        -x --u-threshold    -y --l-threshold      -n --numeric
  -p --persistent    -M --netmask        -o --ops              -c --connection
  --sort             -h --help           -v --version

An edit replaces every setting: -E without -s makes the scheduler wlc, -e without -w the weight 1.
Refused by vsnat: -g, -i and tunnels (-m is needed), --start-daemon.`;
