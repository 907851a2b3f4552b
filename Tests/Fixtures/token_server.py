"""Gives the tokens that docker-registry asks for (distribution's "Token Authentication"), signed with openssl(1).

token_server.py PORT DIRECTORY NAME:PASSWORD IDENTITY: DIRECTORY has key.pem and cert.pem. Whoever has the password, or the identity
token, may do everything in `team/`; everybody may pull from `public/`. DIRECTORY/log gets a line for each token.
"""
import base64
import http.server
import json
import subprocess
import sys
import time
import urllib.parse

port, directory, user, identity = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(access):
    certificate = subprocess.run(
        ["openssl", "x509", "-in", f"{directory}/cert.pem", "-outform", "DER"], check=True, capture_output=True).stdout
    header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(certificate).decode()]}
    now = int(time.time())
    claims = {
        "iss": "test-issuer", "sub": "", "aud": "test-service", "exp": now + 300, "nbf": now - 10, "iat": now, "jti": str(now),
        "access": access,
    }
    signed = encoded(json.dumps(header).encode()) + b"." + encoded(json.dumps(claims).encode())
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", f"{directory}/key.pem"], input=signed, check=True, capture_output=True).stdout
    return (signed + b"." + encoded(signature)).decode()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def answer(self, fields, isKnown):
        access = []
        for scope in fields.get("scope", []):
            kind, name, actions = scope.split(":")
            allowed = [a for a in actions.split(",") if isKnown and name.startswith("team/") or a == "pull" and name.startswith("public/")]
            access.append({"type": kind, "name": name, "actions": allowed})
        with open(f"{directory}/log", "a") as log:
            log.write(f"{self.command} {'known' if isKnown else 'anonymous'} {' '.join(fields.get('scope', []))}\n")
        body = json.dumps({"token": token(access), "expires_in": 300}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        secret = self.headers.get("Authorization")
        known = secret == "Basic " + base64.b64encode(user.encode()).decode()
        if secret and not known:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.answer(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query), known)

    def do_POST(self):
        fields = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        fields["scope"] = [part for scope in fields.get("scope", []) for part in scope.split(" ")]
        self.answer(fields, fields.get("refresh_token") == [identity] and fields.get("grant_type") == ["refresh_token"])


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
