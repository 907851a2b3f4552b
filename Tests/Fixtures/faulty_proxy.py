"""Passes requests on to a registry and spoils the blobs that come back.

faulty_proxy.py PORT REGISTRY FAULTS: each blob that is fetched takes the first line of the file FAULTS, if there is one:
500, cut, stall, slow, wrong, long, short, norange, badrange, redirect, loop. So does each piece of an upload: 500, drop, or lost, where it
arrives and the answer doesn't. FAULTS.log gets a line for each request: method, path, range, bytes sent.
"""
import http.client
import http.server
import os
import socketserver
import sys
import threading
import time

port, registry, faults = int(sys.argv[1]), sys.argv[2], sys.argv[3]
lock = threading.Lock()


def next_fault():
    with lock:
        lines = open(faults).read().split()
        if not lines:
            return None
        with open(faults + ".new", "w") as file:
            file.write("\n".join(lines[1:]))
        os.rename(faults + ".new", faults)
        return lines[0]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def upstream(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "content-length")}
        headers["Host"] = self.headers["Host"]
        if self.headers.get_all("Accept"):
            headers["Accept"] = ", ".join(self.headers.get_all("Accept"))
        connection = http.client.HTTPConnection(registry)
        connection.request(self.command, self.path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()

    def answer(self, status, headers, body, length=None):
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def stream(self):
        """Passes an answer on as it comes, slowly; ends when the registry does."""
        connection = http.client.HTTPConnection(registry)
        connection.request("GET", self.path, headers={k: v for k, v in self.headers.items() if k.lower() != "connection"})
        answer = connection.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        while piece := answer.read1(65536):
            self.wfile.write(piece)
            time.sleep(0.01)

    def handle_any(self):
        with lock, open(faults + ".log", "a") as log:
            log.write(f"{self.command} {self.path} {self.headers.get('Range', '-')} {self.headers.get('Content-Length', 0)}\n")
        if self.path.startswith("/loop"):
            return self.answer(302, [("Location", f"http://127.0.0.1:{port}{self.path}")], b"")
        isBlob = self.command == "GET" and "/blobs/sha256:" in self.path or self.command == "PATCH"
        fault = next_fault() if isBlob else None
        if fault == "drop":
            self.rfile.read(int(self.headers["Content-Length"]) // 2)
        if fault in ("drop", "lost"):
            if fault == "lost":
                self.upstream()
            self.close_connection = True
            return self.connection.close()
        if fault == "500":
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return self.answer(500, [], b"out of order")
        if fault == "redirect":
            # Another name of this host, which is another origin.
            return self.answer(307, [("Location", f"http://localhost:{port}{self.path}")], b"")
        if fault == "loop":
            return self.answer(302, [("Location", f"http://127.0.0.1:{port}/loop")], b"")
        if fault == "slow":
            return self.stream()
        if fault in ("norange", "badrange"):
            self.headers.replace_header("Range", "bytes=0-") if "Range" in self.headers else None
        status, headers, body = self.upstream()
        if fault == "norange":
            headers = [h for h in headers if h[0].lower() != "content-range"]
            status = 200
        if fault == "wrong":
            body = bytes(b ^ 0x55 for b in body[:1000]) + body[1000:]
        if fault == "long":
            body = body + b"x" * 1000
        if fault == "short":
            body = body[: len(body) // 2]
        if fault in ("cut", "stall"):
            self.answer(status, headers, body[: len(body) // 2], len(body))
            self.wfile.flush()
            if fault == "stall":
                time.sleep(60)
            self.close_connection = True
            self.connection.close()
            return None
        return self.answer(status, headers, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    address_family = __import__("socket").AF_INET

    def handle_error(self, *arguments):
        pass


Server(("127.0.0.1", port), Handler).serve_forever()
