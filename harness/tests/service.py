"""A shop for the tests of sessions: it counts what it is asked, by method, path and status.

Prints its port, and ends when its standard input does.
"""

import base64
import hashlib
import http.server
import json
import os
import socketserver
import sys
import threading
import time

lock = threading.Lock()
counts = {}
tokens = {}  # token: (user, key) of the login that it was given to


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A head and its body leave together, at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self, status, body=None, headers=()):
        path = self.path.split("?")[0]
        self.count(f"{self.command} {path} {status}")
        self.send(status, body, headers)

    def send(self, status, body, headers=()):
        text = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/metrics":
            self.send(404, {})
        elif path == "/counts":
            with lock:
                self.send(200, counts)
        elif path == "/slow":
            time.sleep(0.8)
            self.answer(200)
        elif path == "/live":
            self.live()
        elif path == "/form":
            page = b'<form><input name="csrf" value="%s"></form>' % self.bearer().encode()
            self.answer(200, page, [("content-type", "text/html"), ("set-cookie", "banner=; Max-Age=0; Path=/")])
        else:
            self.answer(200, {"price": 3})

    def live(self):
        """A WebSocket (RFC 6455): each text is answered with its number among all, and counted both ways."""
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.count("GET /live 101")
        head = f"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
        self.wfile.write(head.encode())
        self.wfile.flush()
        self.close_connection = True
        while (text := self.heard()) is not None:
            number = self.count("text heard")
            said = json.dumps({"seq": number, "of": text}).encode()
            self.wfile.write(bytes([0x81, len(said)]) + said)
            self.wfile.flush()
            self.count("text answered")

    def heard(self):
        """The next text; a short one, as all are here. None at the end."""
        head = self.rfile.read(2)
        if len(head) < 2 or head[0] & 0x0F != 1:
            return None
        mask = self.rfile.read(4)
        masked = self.rfile.read(head[1] & 0x7F)
        return bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked)).decode()

    def count(self, name):
        with lock:
            counts[name] = counts.get(name, 0) + 1
            return counts[name]

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        if self.path == "/login":
            self.login(sent)
        elif self.path == "/orders":
            self.order(sent)
        else:
            self.answer(404)

    def login(self, sent):
        user = sent["user"]
        if user == "locked":
            return self.answer(401)
        with lock:
            token = f"t{len(tokens)}"
            tokens[token] = (user, sent["key"])
        cookies = [("set-cookie", f"sid={token}; Path=/"), ("set-cookie", "banner=1; Path=/")]
        # One is let in and given nothing to go on with.
        self.answer(200, {"cart": len(token)} if user == "lost" else {"token": token, "cart": len(token)}, cookies)

    def order(self, sent):
        token = self.bearer()
        with lock:
            who = tokens.get(token)
        cookies = self.headers.get("cookie", "")
        if who is None or who[0] == "banned":
            self.answer(401)
        elif who != (sent["user"], sent["key"]) or sent["csrf"] != token or sent["cart"] != len(token):
            self.answer(409)
        elif cookies != f"sid={token}":
            self.answer(403)
        else:
            self.answer(201, {}, [("location", f"/orders/{sent['key']}")])

    def bearer(self):
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256


server = Server(("127.0.0.1", 0), Shop)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
