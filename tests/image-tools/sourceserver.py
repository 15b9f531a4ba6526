#!/usr/bin/env python3
"""What ADD fetches from: a directory over HTTP, with the manners and bad manners of real servers.

Theory of operation: /NAME serves the directory's file with ETag and Last-Modified and answers "not
modified"; /plain/NAME without either; /to/PATH redirects to /PATH, /far/PATH to the same path of the
second port given; /auth/NAME wants "Authorization: Bearer letmein", /basic/NAME user "u" with password "pw"; /flaky/NAME fails twice, then
serves; /short/NAME ends before its Content-Length; /loop redirects to itself.  Each request is one
line of the log: method, path, status, and the Authorization header if there was one.

usage: sourceserver.py DIRECTORY LOG PORTFILE [PORT of another]
"""
import email.utils
import hashlib
import http.server
import os
import sys

TOP, LOG, PORTFILE = sys.argv[1:4]
OTHER = sys.argv[4] if len(sys.argv) > 4 else ""
seen = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, headers=(), body=b"", length=None):
        with open(LOG, "a", encoding="utf-8") as f:
            f.write("%s %s %d %s\n" % (self.command, self.path, status, self.headers.get("Authorization", "")))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if status != 304:
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        word, _, rest = path[1:].partition("/")
        if word == "to":
            return self.answer(302, [("Location", "/" + rest)])
        if word == "far":
            return self.answer(302, [("Location", "http://localhost:%s/%s" % (OTHER, rest))])
        if word == "loop":
            return self.answer(302, [("Location", "/loop")])
        if word == "auth" and self.headers.get("Authorization") != "Bearer letmein":
            return self.answer(401)
        if word == "basic" and self.headers.get("Authorization", "").lower() != "basic dtpwdw==":  # u:pw
            return self.answer(401, [("WWW-Authenticate", "Basic realm=x")])
        if word == "flaky":
            seen[path] = seen.get(path, 0) + 1
            if seen[path] < 3:
                return self.answer(503)
        if word not in ("auth", "basic", "flaky", "plain", "short"):
            rest = path[1:]
        try:
            with open(os.path.join(TOP, rest), "rb") as f:
                body = f.read()
        except OSError:
            return self.answer(404)
        if word == "short":
            self.close_connection = True
            return self.answer(200, [("Connection", "close")], body, len(body) + 10)
        if word == "plain":
            return self.answer(200, (), body)
        etag = '"%s"' % hashlib.md5(body).hexdigest()
        date = email.utils.formatdate(os.stat(os.path.join(TOP, rest)).st_mtime, usegmt=True)
        headers = [("ETag", etag), ("Last-Modified", date)]
        if self.headers.get("If-None-Match") == etag:
            return self.answer(304, headers)
        self.answer(200, headers, body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(PORTFILE + ".new", "w", encoding="utf-8") as out:
    out.write(str(server.server_address[1]))
os.rename(PORTFILE + ".new", PORTFILE)
server.serve_forever()
