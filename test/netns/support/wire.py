# SPDX-License-Identifier: Apache-2.0
"""Packets that no socket would send: datagrams in pieces of any order, and SCTP without a kernel that knows it.

  wire.py echo-pieces ADDRESS PORT STEP       answer every datagram with itself, its pieces from last to first
  wire.py ask-pieces FROM TO PORT STEP SIZE   ask in every order of pieces (or some, when there are many)
  wire.py serve-sctp ADDRESS PORT             answer INIT, COOKIE ECHO, DATA and SHUTDOWN; ignore bad checksums
  wire.py ask-sctp FROM TO PORT               one association, step by step
  wire.py complaint TO PORT                   what a connected UDP socket is told of its one datagram
  wire.py reset FROM PORT TO PORT SEQ         a RST in somebody's name

Each prints JSON when it has something to say, and `ready` when it listens.
"""
import errno
import itertools
import json
import random
import socket
import struct
import sys
import time

TCP, UDP, SCTP, FRAGMENT = 6, 17, 132, 44


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def packed(address):
    return socket.inet_pton(family_of(address), address)


def ones_sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


def udp_datagram(source, sport, destination, dport, payload):
    length = 8 + len(payload)
    pseudo = packed(source) + packed(destination) + struct.pack("!IHBB", length, 0, 0, UDP)
    header = struct.pack("!HHHH", sport, dport, length, 0)
    check = 0xFFFF - ones_sum(pseudo + header + payload) or 0xFFFF
    return header[:6] + struct.pack("!H", check) + payload


def cut(source, destination, datagram, step, number):
    """The datagram in IP packets of `step` payload bytes, a multiple of eight."""
    pieces = []
    for at in range(0, len(datagram), step):
        part = datagram[at : at + step]
        more = at + step < len(datagram)
        if family_of(source) == socket.AF_INET:
            offset = at // 8 | (0x2000 if more else 0)
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(part), number & 0xFFFF, offset, 64, UDP, 0)
            header += packed(source) + packed(destination)
            check = 0xFFFF - ones_sum(header)
            pieces.append(header[:10] + struct.pack("!H", check) + header[12:] + part)
        else:
            fragment = struct.pack("!BBHI", UDP, 0, at | (1 if more else 0), number)
            header = struct.pack("!IHBB", 0x60000000, 8 + len(part), FRAGMENT, 64)
            pieces.append(header + packed(source) + packed(destination) + fragment + part)
    return pieces


def raw_socket(address):
    """Packets with their own IP header."""
    out = socket.socket(family_of(address), socket.SOCK_RAW, socket.IPPROTO_RAW)
    if family_of(address) == socket.AF_INET6:
        out.setsockopt(socket.IPPROTO_IPV6, 36, 1)  # IPV6_HDRINCL
    out.bind((address, 0))
    return out


def reset(source, sport, destination, dport, seq):
    segment = struct.pack("!HHIIBBHHH", int(sport), int(dport), int(seq), 0, 0x50, 4, 0, 0, 0)
    pseudo = packed(source) + packed(destination) + struct.pack("!IHBB", len(segment), 0, 0, TCP)
    check = 0xFFFF - ones_sum(pseudo + segment)
    segment = segment[:16] + struct.pack("!H", check) + segment[18:]
    if family_of(source) == socket.AF_INET:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, TCP, 0)
    else:
        header = struct.pack("!IHBB", 0x60000000, len(segment), TCP, 64)
    raw_socket(source).sendto(header + packed(source) + packed(destination) + segment, (destination, 0))


def echo_pieces(address, port, step):
    plain = socket.socket(family_of(address), socket.SOCK_DGRAM)
    plain.bind((address, int(port)))
    raw = raw_socket(address)
    print("ready", flush=True)
    for number in itertools.count(1000):
        payload, peer = plain.recvfrom(65536)
        reply = udp_datagram(address, int(port), peer[0], peer[1], payload)
        for piece in reversed(cut(address, peer[0], reply, int(step), number)):
            raw.sendto(piece, (peer[0], 0))


def ask_pieces(source, destination, port, step, size):
    plain = socket.socket(family_of(source), socket.SOCK_DGRAM)
    plain.bind((source, 0))
    plain.settimeout(2)
    sport = plain.getsockname()[1]
    raw = raw_socket(source)
    count = -(-(int(size) + 8) // int(step))
    orders = list(itertools.permutations(range(count))) if count <= 4 else None
    draw = random.Random(1)
    results = {"sent": 0, "whole": 0, "lost": 0, "wrong": 0}
    for number in range(len(orders) if orders else 60):
        payload = draw.randbytes(int(size) - 4) + struct.pack("!I", number)
        pieces = cut(source, destination, udp_datagram(source, sport, destination, int(port), payload), int(step), number + 1)
        order = orders[number] if orders else draw.sample(range(count), count)
        for i in order:
            raw.sendto(pieces[i], (destination, 0))
        results["sent"] += 1
        try:
            answer, peer = plain.recvfrom(65536)
            good = answer == payload and peer[:2] == (destination, int(port))
            results["whole" if good else "wrong"] += 1
        except socket.timeout:
            results["lost"] += 1
    print(json.dumps(results), flush=True)


def sctp_packet(sport, dport, tag, chunk_type, value=b"", flags=0):
    chunk = struct.pack("!BBH", chunk_type, flags, 4 + len(value)) + value + b"\0" * (-len(value) % 4)
    packet = struct.pack("!HHII", sport, dport, tag, 0) + chunk
    return packet[:8] + struct.pack("<I", crc32c(packet)) + packet[12:]


def sctp_socket(address):
    raw = socket.socket(family_of(address), socket.SOCK_RAW, SCTP)
    raw.bind((address, 0))
    return raw


def receive_sctp(raw):
    data, peer = raw.recvfrom(65536)
    if raw.family == socket.AF_INET:
        data = data[(data[0] & 15) * 4 :]
    sport, dport, tag = struct.unpack("!HHI", data[:8])
    right = struct.unpack("<I", data[8:12])[0] == crc32c(data[:8] + b"\0" * 4 + data[12:])
    length = struct.unpack("!H", data[14:16])[0]
    return {"from": peer[0], "sport": sport, "dport": dport, "tag": tag, "right": right, "chunk": data[12],
            "value": data[16 : 12 + length]}


INIT, INIT_ACK, ABORT, SHUTDOWN, SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE = 1, 2, 6, 7, 8, 10, 11, 14
ANSWERS = {INIT: INIT_ACK, COOKIE_ECHO: COOKIE_ACK, 0: 0, SHUTDOWN: SHUTDOWN_ACK}


def serve_sctp(address, port):
    raw = sctp_socket(address)
    print("ready", flush=True)
    while True:
        packet = receive_sctp(raw)
        if packet["dport"] != int(port) or not packet["right"] or packet["chunk"] not in ANSWERS:
            continue
        answer = sctp_packet(int(port), packet["sport"], 0xC11E47, ANSWERS[packet["chunk"]], packet["value"])
        raw.sendto(answer, (packet["from"], 0))


def ask_sctp(source, destination, port):
    raw = sctp_socket(source)
    raw.settimeout(2)
    draw = random.Random(2)
    sport = 40000 + draw.randrange(9999)
    seen = []
    for chunk in (INIT, COOKIE_ECHO, 0, 0, 0, SHUTDOWN, SHUTDOWN_COMPLETE):
        value = draw.randbytes(1000 if chunk == 0 else 20)
        tag = 0 if chunk == INIT else 0x5E47E4
        raw.sendto(sctp_packet(sport, int(port), tag, chunk, value), (destination, 0))
        if chunk == SHUTDOWN_COMPLETE:
            break
        try:
            answer = receive_sctp(raw)
        except socket.timeout:
            seen.append({"to": chunk, "lost": True})
            continue
        seen.append({"to": chunk, "chunk": answer["chunk"], "right": answer["right"],
                     "from": f'{answer["from"]}:{answer["sport"]}', "same": answer["value"] == value,
                     "mine": answer["dport"] == sport})
    time.sleep(0.2)
    # Nobody knows of this one any more than of a stranger's.
    raw.sendto(sctp_packet(sport + 1, int(port), 0xABCD, 0, b"what?"), (destination, 0))
    try:
        answer = receive_sctp(raw)
        seen.append({"to": "stranger", "chunk": answer["chunk"], "right": answer["right"], "tag": answer["tag"]})
    except socket.timeout:
        seen.append({"to": "stranger", "lost": True})
    print(json.dumps({"port": sport, "seen": seen}), flush=True)


def complaint(destination, port):
    plain = socket.socket(family_of(destination), socket.SOCK_DGRAM)
    if plain.family == socket.AF_INET:
        plain.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: errors that may pass are told as well
    else:
        plain.setsockopt(socket.IPPROTO_IPV6, 25, 1)
    plain.settimeout(8)
    plain.connect((destination, int(port)))
    plain.send(b"anybody there?")
    try:
        print(json.dumps(plain.recv(100).decode()), flush=True)
    except socket.timeout:
        print(json.dumps("nothing"), flush=True)
    except OSError as error:
        print(json.dumps(errno.errorcode[error.errno]), flush=True)


COMMANDS = {"complaint": complaint, "reset": reset, "echo-pieces": echo_pieces, "ask-pieces": ask_pieces, "serve-sctp": serve_sctp, "ask-sctp": ask_sctp}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
