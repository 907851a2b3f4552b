"""A registry of OCI distribution-spec 1.1 that does what Debian's docker-registry doesn't: the referrers API, blobs on another host.

small_registry.py PORT DIRECTORY [user=NAME:PASSWORD] [blobs=URL] [referrers] [pages=N] [strangers=N] [endless]: with blobs, a GET of one
is sent there; with user, it wants that (Basic); with pages, lists have N entries at a time; with strangers, lists of referrers begin with
N that are nowhere; with endless, the last page leads to the first one. DIRECTORY/log gets a line for each request: method, path, whether it had Authorization, Range, bytes sent.
"""
import base64
import hashlib
import http.server
import json
import os
import re
import socketserver
import sys
import threading
import urllib.parse
import uuid

port, directory = int(sys.argv[1]), sys.argv[2]
options = dict(a.partition("=")[::2] for a in sys.argv[3:])
lock = threading.Lock()
for name in ("blobs", "uploads", "manifests", "links"):
    os.makedirs(f"{directory}/{name}", exist_ok=True)


def file_of(kind, repository, name):
    return f"{directory}/{kind}/{urllib.parse.quote(repository + '@' + name, safe='')}"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, content):
    with open(path + ".new", "wb") as file:
        file.write(content)
    os.rename(path + ".new", path)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length) if length else b""
        with lock, open(f"{directory}/log", "a") as log:
            secret = "auth" if "Authorization" in self.headers else "plain"
            log.write(f"{self.command} {self.path} {secret} {self.headers.get('Range', '-')} {length}\n")
        url = urllib.parse.urlsplit(self.path)
        self.query = {k: v[0] for k, v in urllib.parse.parse_qs(url.query).items()}
        if "user" in options:
            wanted = "Basic " + base64.b64encode(options["user"].encode()).decode()
            if self.headers.get("Authorization") != wanted:
                return self.answer(401, WWW_Authenticate='Basic realm="test"')
        if url.path == "/v2/":
            return self.answer(200)
        for pattern, handler in (
            (r"/v2/(.+)/blobs/uploads/([^/]*)", self.upload),
            (r"/v2/(.+)/blobs/(sha256:[0-9a-f]{64})", self.blob),
            (r"/v2/(.+)/manifests/([^/]+)", self.manifest),
            (r"/v2/(.+)/referrers/(sha256:[0-9a-f]{64})", self.referrers),
        ):
            match = re.fullmatch(pattern, url.path)
            if match:
                return handler(*match.groups())
        return self.answer(404)

    def upload(self, repository, session):
        path = f"{directory}/uploads/{session}"
        location = f"/v2/{repository}/blobs/uploads/"
        if self.command == "POST":
            mounted = self.query.get("mount")
            if mounted and os.path.exists(file_of("links", self.query.get("from", ""), mounted)):
                write(file_of("links", repository, mounted), b"")
                return self.answer(201, Location=f"/v2/{repository}/blobs/{mounted}")
            session = uuid.uuid4().hex
            write(f"{directory}/uploads/{session}", b"")
            return self.answer(202, Location=location + session, Range="0-0")
        if not session.isalnum() or not os.path.exists(path):
            return self.answer(404)
        if self.command == "PATCH":
            with open(path, "ab") as file:
                file.write(self.body)
        size = os.path.getsize(path)
        if self.command == "PUT":
            content = read(path) + self.body
            digest = "sha256:" + hashlib.sha256(content).hexdigest()
            if digest != self.query.get("digest"):
                return self.answer(400)
            write(f"{directory}/blobs/{digest}", content)
            write(file_of("links", repository, digest), b"")
            os.unlink(path)
            return self.answer(201, Location=f"/v2/{repository}/blobs/{digest}")
        if self.command == "DELETE":
            os.unlink(path)
            return self.answer(204)
        return self.answer(202 if self.command == "PATCH" else 204, Location=location + session, Range=f"0-{max(0, size - 1)}")

    def blob(self, repository, digest):
        if not os.path.exists(file_of("links", repository, digest)):
            return self.answer(404)
        if "blobs" in options and self.command == "GET":
            return self.answer(307, Location=options["blobs"] + self.path)
        content = read(f"{directory}/blobs/{digest}")
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start:
            first = int(start.group(1))
            return self.answer(206, content[first:], Content_Range=f"bytes {first}-{len(content) - 1}/{len(content)}")
        return self.answer(200, content)

    def manifest(self, repository, reference):
        if self.command == "PUT":
            digest = "sha256:" + hashlib.sha256(self.body).hexdigest()
            kind = self.headers.get("Content-Type", "")
            for name in {reference, digest}:
                write(file_of("manifests", repository, name), kind.encode() + b"\n" + self.body)
            fields = {}
            subject = json.loads(self.body).get("subject")
            if subject and "referrers" in options:
                fields["OCI_Subject"] = subject["digest"]
                path = file_of("manifests", repository, subject["digest"] + ".referrers")
                listed = json.loads(read(path)) if os.path.exists(path) else []
                manifest = json.loads(self.body)
                listed.append({
                    "mediaType": kind, "digest": digest, "size": len(self.body),
                    "artifactType": manifest.get("artifactType") or manifest["config"]["mediaType"],
                    "annotations": manifest.get("annotations") or {},
                })
                write(path, json.dumps(listed).encode())
            return self.answer(201, Docker_Content_Digest=digest, **fields)
        path = file_of("manifests", repository, reference)
        if not os.path.exists(path):
            return self.answer(404)
        kind, _, body = read(path).partition(b"\n")
        return self.answer(200, body, Content_Type=kind.decode())

    def referrers(self, repository, digest):
        if "referrers" not in options:
            return self.answer(404)
        path = file_of("manifests", repository, digest + ".referrers")
        listed = json.loads(read(path)) if os.path.exists(path) else []
        index = "application/vnd.oci.image.index.v1+json"
        kind = self.query.get("artifactType", "")
        strangers = [
            {"mediaType": index.replace("index", "manifest"), "digest": "sha256:" + hashlib.sha256(b"%d" % n).hexdigest(), "size": 5, "artifactType": kind}
            for n in range(int(options.get("strangers", 0)))
        ]
        listed = strangers + listed
        fields = {}
        if "pages" in options:
            start, count = int(self.query.get("start", 0)), int(options["pages"])
            last = start + count >= len(listed)
            if not last or "endless" in options:
                following = 0 if last else start + count
                fields["Link"] = f'</v2/{repository}/referrers/{digest}?artifactType={urllib.parse.quote(kind)}&start={following}>; rel="next"'
            listed = listed[start:start + count]
        body = {"schemaVersion": 2, "mediaType": index, "manifests": listed}
        # The filter is the registry's choice: whoever asks filters too.
        return self.answer(200, json.dumps(body).encode(), Content_Type=index, **fields)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments):
        pass


Server(("127.0.0.1", port), Handler).serve_forever()
