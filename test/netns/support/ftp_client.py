# SPDX-License-Identifier: Apache-2.0
# ftp_client.py HOST MODE COUNT BYTES: downloads and uploads COUNT times BYTES over one control connection with Python's
# own ftplib, in MODE pasv, epsv, port or eprt, and compares every byte. Prints what it saw as JSON.
import ftplib
import hashlib
import json
import random
import socket
import sys

host, mode, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
peers = set()


class Client(ftplib.FTP):
    trust_server_pasv_ipv4_address = True  # else a wrong address in 227 would not be noticed

    def makepasv(self):
        if mode == 'pasv':
            return super().makepasv()
        return self.host, ftplib.parse229(self.sendcmd('EPSV'), self.sock.getpeername())[1]

    def sendport(self, address, port):
        return super().sendport(address, port) if mode == 'port' else self.sendeprt(address, port)

    def ntransfercmd(self, cmd, rest=None):
        conn, expected = super().ntransfercmd(cmd, rest)
        peers.add(conn.getpeername()[0] + (' ' + str(conn.getpeername()[1]) if mode in ('port', 'eprt') else ''))
        return conn, expected


downloads = uploads = 0
with Client() as ftp:
    ftp.connect(host, timeout=20)
    ftp.set_pasv(mode in ('pasv', 'epsv'))
    ftp.login('a', 'b')
    for n in range(count):
        name = f'{mode}-{n}-{size}'
        want = random.Random(name).randbytes(size)
        got = hashlib.sha256()
        ftp.retrbinary('RETR ' + name, got.update)
        downloads += got.hexdigest() == hashlib.sha256(want).hexdigest()
        ftp.voidcmd('TYPE I')
        with ftp.transfercmd('STOR ' + name) as data:
            data.sendall(want)
        uploads += ftp.voidresp() == '226 ' + hashlib.sha256(want).hexdigest()
print(json.dumps({'downloads': downloads, 'uploads': uploads, 'peers': sorted(peers)}))
