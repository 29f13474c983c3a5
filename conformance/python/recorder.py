"""A proxy in front of the API that writes down what a client sends and what it gets."""

import email.parser
import email.policy
import http.client
import io
import json
import ssl
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# What the client decides; the rest differs with every run.
REQUEST_HEADERS = ("content-type", "accept")
BODY_LIMIT = 64 * 1024 * 1024


class Recorder:
    """Listens on loopback, without TLS unless `certificate` names the files of a certificate and
    its key. `exchanges` has what went through since `take`. With `stands_in` the addresses of the
    API in its answers become those of the recorder: clients that follow them stay with it."""

    def __init__(self, api, ca_file, certificate=None, stands_in=False):
        self.api = api
        self.target = urlsplit(api)
        self.stands_in = stands_in
        self.tls = ssl.create_default_context(cafile=ca_file)
        self.lock = threading.Lock()
        self.exchanges = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                recorder.forward(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """A client that went away is no news."""

        self.server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if certificate:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            # The handshake belongs to the thread of the connection, not to the one that accepts.
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}"
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
        if self.stands_in:
            content = content.replace(self.api.encode(), self.url.encode())
        exchange = {
            "method": handler.command,
            "path": handler.path,
            "headers": {
                name: handler.headers[name] for name in REQUEST_HEADERS if name in handler.headers
            },
            "body": sent(body, handler.headers.get("content-type") or ""),
            "status": answer.status,
            "answer": parsed(content),
        }
        if answer.getheader("location"):
            exchange["location"] = answer.getheader("location")
        with self.lock:
            self.exchanges.append(exchange)
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                if self.stands_in:
                    value = value.replace(self.api, self.url)
                handler.send_header(name, value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def take(self):
        """What went through since the last call."""
        with self.lock:
            taken, self.exchanges = self.exchanges, []
        return taken


def sent(body, kind):
    """The body of a request."""
    if kind.startswith("multipart/form-data"):
        return parts(body, kind)
    return parsed(body)


def parts(body, kind):
    """The parts of a form; of an archive the names of its files."""
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    form = parser.parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    found = []
    for part in form.iter_parts():
        content = part.get_payload(decode=True) or b""
        shown = {"name": part.get_param("name", header="content-disposition")}
        if part.get_filename():
            shown["file"] = part.get_filename()
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                shown["zip"] = sorted(archive.namelist())
        elif part.get_filename():
            shown["bytes"] = "some"
        else:
            shown["content"] = parsed(content)
        found.append(shown)
    return {"parts": found}


def parsed(content):
    """JSON if it is, else text; nothing is None, and what is no text is only named."""
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:
        pass
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"binary": "some"}
