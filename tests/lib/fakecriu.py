#!/usr/bin/python3
"""A criu that only listens: `criu swrk 3` for hosts where the real one does not work.

It writes each request to $FAKE_CRIU/requests (one line of JSON, fields by number), answers
VERSION and FEATURE_CHECK, and a dump as $FAKE_CRIU/answer says: "ok" (the process is killed
unless it is to be left running) or "fail" (with an error in the log).
"""
import json
import os
import signal
import socket
import sys


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def decode(data):
    """{number: [values]}; bytes that are a message are not taken apart."""
    fields, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        fields.setdefault(key >> 3, []).append(value)
    return fields


def encode(*pairs):
    out = b''
    for number, value in pairs:
        if isinstance(value, bytes):
            out += bytes([number << 3 | 2, len(value)]) + value
        else:
            out += bytes([number << 3, value])
    return out


def text(fields):
    return {n: [v.decode('latin-1') if isinstance(v, bytes) else v for v in values] for n, values in fields.items()}


def main():
    place = os.environ['FAKE_CRIU']
    sock = socket.socket(fileno=int(sys.argv[2]))
    parent = os.getppid()
    while True:
        request = decode(sock.recv(1 << 20))
        kind = request.get(1, [0])[0]
        if not request:
            return
        opts = decode(request[2][0]) if 2 in request else {}
        with open(f'{place}/requests', 'a', encoding='utf-8') as f:
            print(json.dumps({'type': kind, 'opts': text(opts)}), file=f)
        if kind == 10:
            sock.send(encode((1, 10), (2, 1), (10, encode((1, 3), (2, 17), (4, 1)))))
        elif kind == 9:
            sock.send(encode((1, 9), (2, 1), (8, encode((1, 1), (2, 1)))))
        else:
            break
    ok = open(f'{place}/answer', encoding='utf-8').read().strip() == 'ok'
    where = opts.get(17, opts[1])[0]
    with open(f'/proc/{parent}/fd/{where}/{opts[10][0].decode()}', 'w', encoding='utf-8') as log:
        if not ok:
            log.write('(00.000001) fine\n(00.000002) Error (criu/fake.c:12): fake: No such file or directory\n'
                      '(00.000003) Error (criu/cr-dump.c:1): Dumping FAILED.\n')
    if ok and kind == 1 and 3 not in opts:
        os.kill(opts[2][0], signal.SIGKILL)
    sock.send(encode((1, kind), (2, int(ok))))


main()
