"""A web server that says which version and color of it answers."""

import hashlib
import http.server
import os

import greeting

VERSION = "one"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/greeting":
            text = greeting.WORDS
        elif self.path == "/secret":
            text = hashlib.sha256(os.environ.get("SECRET", "").encode()).hexdigest()
        else:
            text = f"version {VERSION}, color {os.environ.get('COLOR', '')}"
        if self.path.startswith("/say/"):
            print(f"said {self.path[5:]}", flush=True)
        body = text.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


port = int(os.environ["PORT"])
server = http.server.ThreadingHTTPServer(("", port), Handler)
print(f"version {VERSION} listens on {port}", flush=True)
server.serve_forever()
