#!/usr/bin/env python3
"""Deploys the graph of graph.py with bare engine calls: the least time that it can take.

    floor.py LAYERS WIDTH [--ready SECONDS] [--parallel CALLS]

No plan, no journal, no preview, no rollback: a network, create, start, and a connection every 10 ms
until a service answers; one starts as soon as its own dependencies have. Prints the seconds from
the first create to the last answer, then removes everything.
"""
import argparse
import heapq
import http.client
import threading
import time

import graph
from engine import EngineError, call

NETWORK = "compare-floor"
POLL_SECONDS = 0.01
GIVE_UP_SECONDS = 120

START, CREATE = 0, 1  # what could start now goes before what is created ahead


class Floor:
    """Workers that take the most urgent call there is."""

    def __init__(self, layers, width, ready):
        self.services = dict(graph.services(layers, width))
        self.order = {name: number for number, name in enumerate(self.services)}
        self.command = graph.command(ready)
        self.changed = threading.Condition()
        self.calls = [(CREATE, number, name) for name, number in self.order.items()]
        self.created, self.started, self.ready = set(), set(), set()
        self.failure = None

    def run(self, parallel):
        threads = [threading.Thread(target=self.work, daemon=True) for _ in range(parallel)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        with self.changed:
            done = self.changed.wait_for(lambda: self.is_over(), GIVE_UP_SECONDS)
            self.failure = self.failure or (None if done else "not all services answered in time")
            self.changed.notify_all()
        took = time.monotonic() - begin
        for thread in threads:
            thread.join(GIVE_UP_SECONDS)
        if self.failure:
            raise SystemExit(f"floor: {self.failure}")
        return took

    def is_over(self):
        return self.failure is not None or len(self.ready) == len(self.services)

    def work(self):
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.calls or self.is_over())
                if self.is_over():
                    return
                kind, _, name = heapq.heappop(self.calls)
            try:
                self.create(name) if kind == CREATE else self.start(name)
            except (EngineError, OSError) as error:
                with self.changed:
                    self.failure = str(error)
                    self.changed.notify_all()

    def create(self, name):
        call("POST", f"/containers/create?name=compare-floor-{name}",
             {"Image": graph.IMAGE, "Cmd": self.command, "HostConfig": {"NetworkMode": NETWORK}})
        with self.changed:
            self.created.add(name)
            self.offer_starts()

    def start(self, name):
        call("POST", f"/containers/compare-floor-{name}/start")
        networks = call("GET", f"/containers/compare-floor-{name}/json")["NetworkSettings"]["Networks"]
        address = networks[NETWORK]["IPAddress"]
        threading.Thread(target=self.await_answer, args=(name, address), daemon=True).start()

    def await_answer(self, name, address):
        while not self.is_over():
            try:
                connection = http.client.HTTPConnection(address, 80, timeout=1)
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                pass
            time.sleep(POLL_SECONDS)
        with self.changed:
            self.ready.add(name)
            self.offer_starts()

    def offer_starts(self):
        for name in sorted(self.created - self.started, key=self.order.get):
            if all(before in self.ready for before in self.services[name]):
                self.started.add(name)
                heapq.heappush(self.calls, (START, self.order[name], name))
        self.changed.notify_all()

    def remove(self):
        for name in self.services:
            try:
                call("DELETE", f"/containers/compare-floor-{name}?force=1")
            except EngineError:
                pass  # it was never created


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("layers", type=int)
    arguments.add_argument("width", type=int)
    arguments.add_argument("--ready", type=float, default=0.3)
    arguments.add_argument("--parallel", type=int, default=4)
    given = arguments.parse_args()
    floor = Floor(given.layers, given.width, given.ready)
    call("POST", "/networks/create", {"Name": NETWORK})
    try:
        took = floor.run(given.parallel)
    finally:
        floor.remove()
        call("DELETE", f"/networks/{NETWORK}")
    print(f"{took:.3f}")


if __name__ == "__main__":
    main()
