"""Calls to the Docker Engine over its unix socket, with nothing in between."""
import calendar
import http.client
import json
import os
import socket
import threading
import time

HOST = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def connect(self):
        if not HOST.startswith("unix://"):
            raise SystemExit(f"only an engine on a unix socket can be compared, not {HOST}")
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(HOST[len("unix://"):])


class EngineError(Exception):
    pass


_connections = threading.local()


def raw(method, path, body=None):
    """One call on this thread's connection; the answer's bytes."""
    connection = getattr(_connections, "connection", None)
    if connection is None:
        connection = _connections.connection = Connection("engine", timeout=120)
    payload = None if body is None else json.dumps(body)
    connection.request(method, path, payload, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    if response.status >= 400:
        raise EngineError(f"{method} {path}: {response.status} {answer.decode(errors='replace').strip()}")
    return answer


def call(method, path, body=None):
    """One call; the answer as JSON, or None."""
    answer = raw(method, path, body)
    return json.loads(answer) if answer.strip() else None


def log_lines(container):
    """What a container wrote to both outputs: lines, each with its seconds since the epoch."""
    stream = raw("GET", f"/containers/{container}/logs?stdout=1&stderr=1&timestamps=1")
    text = b""
    while len(stream) >= 8:  # frames: stream, three zeros, length, bytes
        length = int.from_bytes(stream[4:8], "big")
        text += stream[8:8 + length]
        stream = stream[8 + length:]
    lines = (line.split(" ", 1) for line in text.decode(errors="replace").splitlines())
    return [(seconds(moment), line) for moment, line in lines]


def seconds(moment):
    """`2026-01-02T03:04:05.123456789Z` as seconds since the epoch."""
    whole, _, fraction = moment.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction or 0}")
