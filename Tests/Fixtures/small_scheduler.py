"""A scheduler that answers heartbeats with what a file says.

small_scheduler.py PORT DIRECTORY: DIRECTORY/answer.json is the answer, but for the sequence; without that file every answer is an error.
DIRECTORY/last.json gets the last heartbeat.
"""
import http.server
import json
import os
import sys

port, directory = int(sys.argv[1]), sys.argv[2]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, {})

    def do_POST(self):
        heartbeat = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(f"{directory}/last.new", "w") as file:
            json.dump(heartbeat, file)
        os.rename(f"{directory}/last.new", f"{directory}/last.json")
        try:
            with open(f"{directory}/answer.json") as file:
                answer = json.load(file)
        except FileNotFoundError:
            return self.answer(503, {})
        answer["sequence"] = heartbeat["sequence"]
        self.answer(200, answer)


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
