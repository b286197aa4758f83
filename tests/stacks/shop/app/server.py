"""Answers with the number of products, and counts its visitors in the cache."""
import http.server
import os
import socket
import subprocess

PASSWORD = open("/run/secrets/password").read()


def products():
    command = ["psql", "-At", os.environ["DATABASE_URL"], "-c", "select count(*) from product"]
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def visitors():
    with socket.create_connection((os.environ["CACHE_HOST"], 6379)) as cache:
        cache.sendall(b"INCR visitors\r\n")
        return cache.recv(64).decode().strip().lstrip(":")


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"{os.environ['GREETING']}, visitor {visitors()}: {products()} products\n"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


http.server.ThreadingHTTPServer(("", 8000), Page).serve_forever()
