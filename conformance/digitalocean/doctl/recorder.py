"""A proxy in front of the API that writes down what a client sends and what it gets."""

import http.client
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# What the client decides; the rest differs with every run.
REQUEST_HEADERS = ("content-type", "accept")
BODY_LIMIT = 4 * 1024 * 1024


class Recorder:
    """Listens on loopback without TLS. `exchanges` has what went through since `take`."""

    def __init__(self, api, ca_file):
        self.target = urlsplit(api)
        self.tls = ssl.create_default_context(cafile=ca_file)
        self.lock = threading.Lock()
        self.exchanges = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                recorder.forward(self)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forward(self, handler):
        size = min(int(handler.headers.get("content-length") or 0), BODY_LIMIT)
        body = handler.rfile.read(size)
        headers = {
            name: value
            for name, value in handler.headers.items()
            if name.lower() not in ("host", "accept-encoding", "connection")
        }
        connection = http.client.HTTPSConnection(
            self.target.hostname, self.target.port, context=self.tls, timeout=120
        )
        connection.request(handler.command, handler.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        exchange = {
            "method": handler.command,
            "path": handler.path,
            "headers": {
                name: handler.headers[name] for name in REQUEST_HEADERS if name in handler.headers
            },
            "body": parsed(body),
            "status": answer.status,
            "answer": parsed(content),
        }
        with self.lock:
            self.exchanges.append(exchange)
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                handler.send_header(name, value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def take(self):
        """What went through since the last call."""
        with self.lock:
            taken, self.exchanges = self.exchanges, []
        return taken


def parsed(content):
    """JSON if it is, else text; nothing is None."""
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")
