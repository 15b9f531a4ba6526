#!/usr/bin/env python3
"""A registry with faults, in front of an OCI layout: faultserver.py PORT LAYOUT LOG [OTHERPORT]

The repository's first component chooses the fault: GET /v2/<fault>/app/...  Every request is written to LOG
as "PORT METHOD PATH AUTHORIZATION RANGE", and headers that begin with x-.  With "auth-..." a bearer token is wanted."""
import base64, hashlib, json, os, re, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, layout, log = int(sys.argv[1]), sys.argv[2], sys.argv[3]
other = int(sys.argv[4]) if len(sys.argv) > 4 else port
index = json.load(open(layout + "/index.json"))
count = {}

def blob(digest):
    m = re.fullmatch("sha256:([0-9a-f]{64})", digest)
    path = m and layout + "/blobs/sha256/" + m[1]
    return open(path, "rb").read() if path and os.path.exists(path) else None

class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def note(self):
        with open(log, "a") as f:
            more = "".join(" %s=%s" % (k.lower(), v) for k, v in self.headers.items() if k.lower().startswith("x-"))
            f.write("%d %s %s %s %s%s\n" % (port, self.command, self.path, self.headers.get("Authorization", "-"), self.headers.get("Range", "-"), more))

    def nth(self, key):
        count[key] = count.get(key, 0) + 1
        return count[key]

    def answer(self, status, body=b"", headers={}, length=None, cut=None):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.note()
        self.path = self.path.split("?")[0]
        if self.path.startswith("/token"):
            return self.answer(200, json.dumps({"token": "tok%d" % self.nth("token"), "expires_in": 300}).encode())
        if self.path in ("/v2/", "/v2"):
            return self.answer(200, b"{}")
        m = re.fullmatch("/v2/([a-z0-9-]+)/app/(manifests|blobs)/(.+)", self.path)
        if not m:
            return self.answer(404)
        fault, kind, what = m.groups()
        big = kind == "blobs" and len(blob(what) or b"") > 100000
        n = self.nth(fault + kind + what)
        if fault.startswith("auth") and not self.headers.get("Authorization", "").startswith("Bearer tok") or \
                fault == "auth-expires" and big and n == 1:
            realm = {"auth-private": "http://169.254.169.254/latest/meta-data"}.get(fault, "http://localhost:%d/token" % port)
            return self.answer(401, b"{}", {"WWW-Authenticate": 'Bearer realm="%s",service="s",scope="repository:%s/app:pull"' % (realm, fault)})
        if kind == "manifests":
            d = index["manifests"][0]
            body = blob(d["digest"])
            if what.startswith("sha256:"):
                body = blob(what)
                if body is None:
                    return self.answer(404)
            h = {"Content-Type": d["mediaType"]}
            if fault == "wrong-type":
                h["Content-Type"] = "application/vnd.oci.image.index.v1+json"
            if fault == "both":
                body = json.dumps(dict(json.loads(body), manifests=[])).encode()
            if fault == "schema1":
                body, h["Content-Type"] = b'{"schemaVersion":1,"fsLayers":[]}', "application/vnd.docker.distribution.manifest.v1+prettyjws"
            if fault == "not-json":
                body = b"<html>hello"
            if fault == "huge-manifest":
                body += b" " * (5 << 20)
            if fault == "index-loop":
                body = json.dumps({"schemaVersion": 2, "mediaType": h["Content-Type"].replace("manifest", "index"), "manifests": []}).encode()
                h["Content-Type"] = "application/vnd.oci.image.index.v1+json"
                inner = {"mediaType": h["Content-Type"], "digest": d["digest"], "size": 3, "platform": {"os": "linux", "architecture": "amd64"}}
                body = json.dumps({"schemaVersion": 2, "mediaType": h["Content-Type"], "manifests": [inner]}).encode()
            if fault == "digest-header":
                h["Docker-Content-Digest"] = "sha256:" + "0" * 64
            if fault == "evil-digest":
                doc = json.loads(body)
                doc["layers"][0]["digest"] = "sha256:../../../../etc/passwd"
                body = json.dumps(doc).encode()
            if fault == "status-429" and n <= 2:
                return self.answer(429, b"{}", {"Retry-After": "1"} if n == 1 else {"Retry-After": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 1))})
            if fault == "status-500" and n <= 3:
                return self.answer(500)
            if fault == "status-500-forever":
                return self.answer(503)
            return self.answer(200, body, h)
        data = blob(what)
        if data is None:
            return self.answer(404)
        r = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(r[1]) if r else 0
        head = {}
        status = 200
        if r:
            status, head = 206, {"Content-Range": "bytes %d-%d/%d" % (start, len(data) - 1, len(data))}
        body = data[start:]
        if not big:
            return self.answer(status, body, head)
        if fault == "truncated" and n <= 3:
            return self.answer(status, body, head, cut=len(body) // 3)
        if fault == "truncated-forever":
            return self.answer(status, body, head, cut=0)
        if fault == "short-length":
            return self.answer(status, body[:500000], head)
        if fault == "wrong-digest":
            return self.answer(status, body[:-1] + b"X", head)
        if fault == "too-long":
            return self.answer(status, body + b"more", head)
        if fault == "range-ignored":
            return self.answer(200, data, cut=len(data) // 2) if n == 1 else self.answer(200, data)
        if fault == "range-shifted":
            if n == 1:
                return self.answer(200, data, cut=len(data) // 2)
            return self.answer(206, data[start + 10:], {"Content-Range": "bytes %d-%d/%d" % (start + 10, len(data) - 1, len(data))})
        if fault == "stall" and n == 1:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:50000])
            self.wfile.flush()
            time.sleep(6)
            self.close_connection = True
            return
        if fault in ("redirect", "auth-redirect"):
            return self.answer(307, b"", {"Location": "http://127.0.0.1:%d/v2/plain/app/blobs/%s" % (other, what)})
        if fault == "redirect-loop":
            return self.answer(307, b"", {"Location": self.path})
        if fault == "redirect-file":
            return self.answer(307, b"", {"Location": "file:///etc/passwd"})
        self.answer(status, body, head)

ThreadingHTTPServer(("127.0.0.1", port), H).serve_forever()
