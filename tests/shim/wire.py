"""Protobuf and ttrpc, by hand: a message is a list of (field, value) when it is
written and a dict {field: [values]} when it is read.  int: varint, bytes and
str: length-delimited, list: a nested message."""
import struct


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def enc(fields):
    out = b""
    for num, v in fields:
        if v is None:
            continue
        if isinstance(v, bool) or isinstance(v, int):
            out += varint(num << 3) + varint(int(v))
        else:
            if isinstance(v, list):
                v = enc(v)
            elif isinstance(v, str):
                v = v.encode()
            out += varint(num << 3 | 2) + varint(len(v)) + v
    return out


def read_varint(b, i):
    n = shift = 0
    while True:
        n |= (b[i] & 127) << shift
        shift += 7
        i += 1
        if not b[i - 1] & 128:
            return n, i


def dec(b):
    out = {}
    i = 0
    while i < len(b):
        key, i = read_varint(b, i)
        num, kind = key >> 3, key & 7
        if kind == 0:
            v, i = read_varint(b, i)
        elif kind == 1:
            v, i = struct.unpack("<d", b[i:i + 8])[0], i + 8
        elif kind == 2:
            n, i = read_varint(b, i)
            if i + n > len(b):
                raise ValueError("short message")
            v, i = b[i:i + n], i + n
        elif kind == 5:
            v, i = b[i:i + 4], i + 4
        else:
            raise ValueError("wire type %d" % kind)
        out.setdefault(num, []).append(v)
    return out


def one(msg, num, default=0):
    return msg.get(num, [default])[0]


def text(msg, num):
    return one(msg, num, b"").decode()


def sub(msg, num):
    return dec(one(msg, num, b""))


def frame(stream, kind, payload, flags=0):
    return struct.pack(">IIBB", len(payload), stream, kind, flags) + payload


def request(service, method, payload, timeout=0):
    return enc([(1, service), (2, method), (3, payload), (4, timeout or None),
                (5, [(1, "containerd-namespace-ttrpc"), (2, "test")])])
