#!/usr/bin/env python3
"""A registry that takes pushes and has faults: pushserver.py PORT LOG

The repository's first component chooses the fault.  Every request goes to LOG as "METHOD PATH RANGE"; blobs are
checked against their digest, manifests must find their blobs.  Nothing survives the process."""
import hashlib, json, re, sys, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, log = int(sys.argv[1]), sys.argv[2]
blobs, manifests, sessions, count = {}, {}, {}, {}


class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def answer(self, status, body=b"", headers={}):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self, most=None):
        n = int(self.headers.get("Content-Length", 0))
        return self.rfile.read(n if most is None else min(n, most))

    def nth(self, *key):
        count[key] = count.get(key, 0) + 1
        return count[key]

    def token(self):
        form = urllib.parse.parse_qs(self.body().decode())
        with open(log, "a") as f:
            f.write("TOKEN %s %s\n" % (self.command, json.dumps(form)))
        if self.command == "POST" and form.get("refresh_token") == ["identity"] and form.get("grant_type") == ["refresh_token"]:
            return self.answer(200, b'{"access_token":"opened","expires_in":300}')
        return self.answer(401, b"{}")

    def session(self, fault, name):
        data = sessions.get(name)
        if data is None:
            return self.answer(404)
        here = {"Location": "/v2/%s/app/blobs/uploads/%s?state=%d" % (fault, name, len(data))}
        if self.command == "GET":
            return self.answer(204, b"", dict(here, Range="0-%d" % (len(data) - 1)))
        if self.command == "DELETE":
            del sessions[name]
            return self.answer(204)
        m = re.fullmatch(r"(\d+)-(\d+)", self.headers.get("Content-Range", ""))
        if m and int(m[1]) != len(data):
            self.body()
            return self.answer(416, b"", dict(here, Range="0-%d" % (len(data) - 1)))
        n = self.nth(fault, name, self.command)
        if self.command == "PATCH" and (fault == "cut" and n in (2, 4) or fault == "gone" and n == 2 and self.nth("gone") == 1):
            data += self.body(1000)
            if fault == "gone":
                del sessions[name]
            self.close_connection = True
            return
        if self.command == "PATCH" and fault == "stall" and n == 3 and self.nth("stalled") == 1:
            data += self.body(500)
            time.sleep(8)
            self.close_connection = True
            return
        data += self.body()
        if self.command == "PATCH":
            return self.answer(202, b"", dict(here, Range="0-%d" % (len(data) - 1)))
        digest = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["digest"][0]
        if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
            return self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
        blobs[digest] = bytes(data)
        return self.answer(201, b"", {"Location": "/v2/%s/app/blobs/%s" % (fault, digest)})

    def go(self):
        with open(log, "a") as f:
            f.write("%s %s %s\n" % (self.command, self.path, self.headers.get("Content-Range", "-")))
        path = self.path.split("?")[0]
        if path == "/token":
            return self.token()
        if path == "/v2/":
            return self.answer(200, b"{}")
        m = re.fullmatch("/v2/([a-z0-9-]+)/app/(manifests|blobs/uploads|blobs|referrers)/(.*)", path)
        if not m:
            return self.answer(404)
        fault, kind, what = m.groups()
        if fault == "oauth" and self.headers.get("Authorization") != "Bearer opened":
            self.body()
            return self.answer(401, b"{}", {"WWW-Authenticate": 'Bearer realm="http://localhost:%d/token",service="s",scope="repository:oauth/app:pull,push"' % port})
        if kind == "blobs/uploads" and self.command == "POST":
            name = "s%d" % self.nth("session")
            sessions[name] = bytearray()
            extra = {"OCI-Chunk-Min-Length": "700000"} if fault == "min" else {}
            return self.answer(202, b"", dict(extra, Location="/v2/%s/app/blobs/uploads/%s" % (fault, name)))
        if kind == "blobs/uploads":
            return self.session(fault, what)
        if kind == "referrers":
            if fault == "noreferrers":
                return self.answer(404)
            found = [d for (d, s) in manifests.get("subjects", []) if s == what]
            return self.answer(200, json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": found}).encode())
        if kind == "blobs":
            return self.answer(200, blobs[what]) if what in blobs else self.answer(404)
        if self.command == "PUT":
            text = self.body()
            doc = json.loads(text)
            digest = "sha256:" + hashlib.sha256(text).hexdigest()
            for d in [doc["config"]] + doc["layers"] if "layers" in doc else []:
                if d["digest"] not in blobs:
                    return self.answer(404, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}')
            manifests[(fault, what)] = manifests[(fault, digest)] = (self.headers["Content-Type"], text)
            head = {"Location": "x"}
            if "subject" in doc and fault != "noreferrers":
                head["OCI-Subject"] = doc["subject"]["digest"]
                manifests.setdefault("subjects", []).append(({"mediaType": self.headers["Content-Type"], "digest": digest, "size": len(text)}, doc["subject"]["digest"]))
            return self.answer(201, b"", head)
        if (fault, what) not in manifests:
            return self.answer(404)
        type, text = manifests[(fault, what)]
        return self.answer(200, text, {"Content-Type": type})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = go


ThreadingHTTPServer(("127.0.0.1", port), H).serve_forever()
