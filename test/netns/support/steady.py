# SPDX-License-Identifier: Apache-2.0
"""One client of an echo server that says as much as it is told to, when it is told to.

usage: steady.py tcp|udp ADDRESS PORT TIMES SIZE [no-checksum]

At once, and again with each SIGUSR1: TIMES messages of SIZE bytes, each compared with its echo; then `said`. SIGUSR2: closes
and ends. It prints its port first, and what ended the connection when somebody else did. With `no-checksum` its datagrams
have none.
"""
import os
import select
import signal
import socket
import sys

kind, address, port, times, size, *more = sys.argv[1:]
times, size = int(times), int(size)
AGAIN, CLOSE = signal.SIGUSR1, signal.SIGUSR2
SO_NO_CHECK = 11
signal.pthread_sigmask(signal.SIG_BLOCK, [AGAIN, CLOSE])


def connect():
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    made.settimeout(20)
    if kind == "tcp":
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if "no-checksum" in more:
        made.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    made.connect((address, int(port)))
    return made


def receive(connection):
    heard = b""
    while len(heard) < size:
        part = connection.recv(size - len(heard))
        if not part:
            raise EOFError
        heard += part
    return heard


def known(message):
    """A server of datagrams puts its name into each (bench/load/udp.cc)."""
    return message if kind == "tcp" else message[:16] + message[32:]


def exchange(connection):
    for _ in range(times):
        said = os.urandom(size)
        connection.sendall(said)
        if known(receive(connection)) != known(said):
            print("ended: another echo", flush=True)
            sys.exit(1)
    print("said", flush=True)


def told(connection):
    """The next signal; hears meanwhile what the other end has to say."""
    while True:
        heard = signal.sigtimedwait([AGAIN, CLOSE], 0.02)
        if heard is not None:
            return heard.si_signo
        if select.select([connection], [], [], 0)[0] and connection.recv(1) == b"":
            raise EOFError


try:
    with connect() as connection:
        print(f"port {connection.getsockname()[1]}", flush=True)
        exchange(connection)
        while told(connection) == AGAIN:
            exchange(connection)
except EOFError:
    print("ended: closed", flush=True)
except OSError as error:
    print(f"ended: {type(error).__name__}", flush=True)
