# SPDX-License-Identifier: Apache-2.0
# A small FTP server for tests: ftp_server.py PORT. Both families; PASV, EPSV, PORT, EPRT. In active mode it connects from
# the port below its own (RFC 959 section 5.2). RETR N sends N bytes made from the name; STOR answers with the digest of
# what came. Every data connection is reported on standard output.
import hashlib
import random
import socket
import sys
import threading


def content(name):
    return random.Random(name).randbytes(int(name.split('-')[-1]))


class Session(threading.Thread):
    def __init__(self, control, port):
        super().__init__(daemon=True)
        self.control, self.port = control, port
        self.family = control.family
        self.here = control.getsockname()[0]
        self.data = None  # a callable that gives the connected socket

    def say(self, text):
        self.control.sendall((text + '\r\n').encode())

    def listen(self):
        listener = socket.socket(self.family)
        listener.bind((self.here, 0))
        listener.listen(1)
        listener.settimeout(10)
        self.data = lambda: listener.accept()[0]
        return listener.getsockname()[1]

    def call(self, address, port):
        def connect():
            data = socket.socket(self.family)
            data.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            data.bind((self.here, self.port - 1))
            data.settimeout(10)
            data.connect((address, port))
            return data

        self.data = connect

    def answer(self, word, rest):
        if word == 'USER':
            self.say('331 Password?')
        elif word == 'PASS':
            self.say('230 Hello')
        elif word == 'TYPE':
            self.say('200 Ok')
        elif word == 'PASV':
            port = self.listen()
            address = self.here.replace('.', ',')
            self.say(f'227 Entering Passive Mode ({address},{port >> 8},{port & 255}).')
        elif word == 'EPSV':
            self.say(f'229 Entering Extended Passive Mode (|||{self.listen()}|)')
        elif word == 'PORT':
            n = rest.split(',')
            self.call('.'.join(n[:4]), int(n[4]) * 256 + int(n[5]))
            self.say('200 Ok')
        elif word == 'EPRT':
            _, _, address, port, _ = rest.split(rest[0])
            self.call(address, int(port))
            self.say('200 Ok')
        elif word == 'RETR':
            self.say('150 Here it comes')
            with self.data() as data:
                self.report(data)
                data.sendall(content(rest))
            self.say('226 Done')
        elif word == 'STOR':
            self.say('150 Go on')
            digest = hashlib.sha256()
            with self.data() as data:
                self.report(data)
                while piece := data.recv(65536):
                    digest.update(piece)
            self.say('226 ' + digest.hexdigest())
        elif word == 'QUIT':
            self.say('221 Bye')
            return False
        else:
            self.say('502 Not here')
        return True

    def report(self, data):
        print('data from', data.getpeername()[0], flush=True)

    def run(self):
        with self.control, self.control.makefile('r', newline='\r\n') as lines:
            self.say('220 Ready')
            for line in lines:
                word, _, rest = line.strip().partition(' ')
                try:
                    if not self.answer(word.upper(), rest):
                        return
                except OSError as error:
                    self.say(f'425 {error}')


def main():
    port = int(sys.argv[1])
    listener = socket.create_server(('::', port), family=socket.AF_INET6, backlog=64)
    listener4 = socket.create_server(('0.0.0.0', port), backlog=64)
    for server in (listener, listener4):
        threading.Thread(target=accept, args=(server, port), daemon=True).start()
    print('ready', flush=True)
    threading.Event().wait()


def accept(server, port):
    while True:
        Session(server.accept()[0], port).start()


main()
