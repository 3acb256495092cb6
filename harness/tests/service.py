"""A shop for the tests of sessions: it counts what it is asked, by method, path and status.

Prints its port, and ends when its standard input does.
"""

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
        with lock:
            name = f"{self.command} {path} {status}"
            counts[name] = counts.get(name, 0) + 1
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
        elif path == "/form":
            page = b'<form><input name="csrf" value="%s"></form>' % self.bearer().encode()
            self.answer(200, page, [("content-type", "text/html"), ("set-cookie", "banner=; Max-Age=0; Path=/")])
        else:
            self.answer(200, {"price": 3})

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
