"""Two servers that want credentials which aren't theirs, and write down what they get.

credential_trap.py PORT OTHER_PORT DIRECTORY: PORT is a registry, OTHER_PORT anything else. What the registry does for a repository is
in its name: `realm/…` asks for a token of the other server, `local/…` for one of its own that redirects (307) the request to the other
server, `elsewhere/…` redirects to the other server, which answers 401. DIRECTORY/log gets a line for each request: `registry` or
`other`, method, path without query, Authorization or `-`, body.
"""
import http.server
import sys
import threading
import urllib.parse

port, other, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def answer(self, status, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        name = "other" if self.server.server_port == other else "registry"
        path = urllib.parse.urlsplit(self.path).path
        with lock, open(f"{directory}/log", "a") as log:
            log.write(f"{name} {self.command} {path} {self.headers.get('Authorization', '-')} {body}\n")
        if path == "/v2/":
            return self.answer(200)
        if name == "other":
            realm = f'Bearer realm="http://127.0.0.1:{other}/stolen",service="x"'
            return self.answer(401, WWW_Authenticate=realm)
        if path == "/token":
            return self.answer(307, Location=f"http://127.0.0.1:{other}/redirected")
        if path.startswith("/v2/elsewhere/"):
            return self.answer(307, Location=f"http://127.0.0.1:{other}/v2/elsewhere")
        host = f"localhost:{other}/realm" if path.startswith("/v2/realm/") else f"127.0.0.1:{port}/token"
        return self.answer(401, WWW_Authenticate=f'Bearer realm="http://{host}",service="x"')

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any


threading.Thread(target=http.server.ThreadingHTTPServer(("127.0.0.1", other), Handler).serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
