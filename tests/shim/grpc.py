"""A gRPC client for unary calls over a UNIX socket, by hand: HTTP/2 with prior
knowledge, header blocks of literals.  Response headers are not decoded: a call
has succeeded when it has sent a message."""
import socket
import struct

from wire import dec, enc

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1


class GrpcError(Exception):
    pass


def literal(name, value):
    """A header field that is not indexed, without Huffman coding."""
    def string(s):
        s = s.encode()
        assert len(s) < 127
        return bytes([len(s)]) + s
    return b"\0" + string(name) + string(value)


def http2_frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


class Grpc:
    def __init__(self, path, timeout=60):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.stream = -1
        self.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                          http2_frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 24)) +
                          http2_frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 28)))

    def recv(self, n):
        out = b""
        while len(out) < n:
            part = self.sock.recv(n - len(out))
            if not part:
                raise GrpcError("connection closed")
            out += part
        return out

    def call(self, service, method, fields, namespace=None):
        self.stream += 2
        body = enc(fields)
        block = (literal(":method", "POST") + literal(":scheme", "http") +
                 literal(":path", "/%s/%s" % (service, method)) + literal(":authority", "localhost") +
                 literal("content-type", "application/grpc") + literal("te", "trailers"))
        if namespace:
            block += literal("containerd-namespace", namespace)
        self.sock.sendall(http2_frame(HEADERS, END_HEADERS, self.stream, block) +
                          http2_frame(DATA, END_STREAM, self.stream, struct.pack(">BI", 0, len(body)) + body))
        data = b""
        headers = b""
        while True:
            head = self.recv(9)
            length = struct.unpack(">I", b"\0" + head[:3])[0]
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            payload = self.recv(length)
            if kind == SETTINGS and not flags & ACK:
                self.sock.sendall(http2_frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.sock.sendall(http2_frame(PING, ACK, 0, payload))
            elif kind == GOAWAY or (kind == RST_STREAM and stream == self.stream):
                raise GrpcError("%s: %r" % (method, payload))
            elif stream == self.stream and kind == DATA:
                data += payload
            elif stream == self.stream and kind == HEADERS:
                headers += payload
            if stream == self.stream and kind in (DATA, HEADERS) and flags & END_STREAM:
                break
        if len(data) < 5:
            raise GrpcError("%s failed" % method)
        return dec(data[5:])
