#!/usr/bin/env python3
"""A shop for the tests: HTTP/1.1, nothing but the standard library.

    shop.py --port PORT [--mode fast|slow] [--late SECONDS] [--deaf] [--dies SECONDS] [--worker] [--secret TEXT]

It counts what it is asked: GET /counts tells, POST /admin/reset forgets.
"""

import argparse
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--mode", default=os.environ.get("MODE", "fast"))
parser.add_argument("--late", type=float, default=0)
parser.add_argument("--deaf", action="store_true")
parser.add_argument("--dies", type=float, default=0)
parser.add_argument("--worker", action="store_true")
parser.add_argument("--secret", default="")
options = parser.parse_args()

counts = {}
lock = threading.Lock()
ready_at = time.monotonic() + options.late


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Header and body are one packet, or the second would wait for the acknowledgement of the first.
    wbufsize = -1

    def log_message(self, *_):
        pass

    def answer(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        status, value = self.decide(body)
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def decide(self, body):
        if self.path == "/healthz":
            ready = time.monotonic() >= ready_at
            return (200, "ok") if ready else (503, "warming up")
        if self.path == "/counts":
            with lock:
                return 200, {"counts": counts, "environment": dict(os.environ), "mode": options.mode}
        if self.path == "/admin/reset":
            with lock:
                counts.clear()
                counts["reset by"] = self.headers.get("authorization", "") + body.decode()
            return 200, "reset"
        with lock:
            counts[self.path] = counts.get(self.path, 0) + 1
        if self.path.startswith("/items"):
            if options.mode == "slow":
                time.sleep(0.02)
            return 200, {"mode": options.mode}
        return 404, "there is no such thing"

    do_GET = do_POST = answer


def die():
    time.sleep(options.dies)
    print("the shop has burnt down", file=sys.stderr, flush=True)
    os._exit(7)


print(f"the shop opens at {options.port}, {options.mode}", flush=True)
if options.worker:
    # A worker that would go on by itself.
    if os.fork() == 0:
        time.sleep(1000)
if options.deaf:
    time.sleep(1000)
server = ThreadingHTTPServer(("127.0.0.1", options.port), Shop)
if options.dies:
    threading.Thread(target=die, daemon=True).start()
server.serve_forever()
