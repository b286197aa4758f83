#!/usr/bin/env python3
"""Writes a layered graph of services, as a Compose file or as a plan.

    graph.py LAYERS WIDTH [--ready SECONDS] [--format compose|plan]

A service of a layer depends, on condition service_healthy, on two of the layer before it. Each
begins to answer HTTP on port 80 `--ready` seconds after its start, and then logs a line, for whose
time the engine is asked. Compose asks each second, which is the least that engine healthchecks of
20.10 allow; both stop services at once. Image: the one that tests/run builds.
"""
import argparse
import json

IMAGE = "orchestrate-test/busybox:1"


def services(layers, width):
    """Every service with those it depends on, layer by layer."""
    for layer in range(layers):
        for column in range(width):
            before = {f"s{layer - 1}-{c % width}" for c in (column, column + 1)} if layer else set()
            yield f"s{layer}-{column}", sorted(before)


def command(ready):
    # httpd without -f returns as soon as it listens.
    return ["sh", "-c", f"sleep {ready}; mkdir /www; echo ok >/www/index.html; httpd -p 80 -h /www; "
                        "echo answering; exec sleep 1000000"]


def service(ready, before, form):
    definition = {"image": IMAGE, "command": command(ready), "stop_grace_period": "0s"}
    if before:
        definition["depends_on"] = {name: {"condition": "service_healthy"} for name in before}
    if form == "plan":
        definition["checks"] = [{"http": {"port": 80, "path": "/"}}]
    else:
        definition["healthcheck"] = {
            "test": ["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1/"],
            "interval": "1s", "timeout": "2s", "retries": 30,
        }
    return definition


def document(layers, width, ready, form):
    head = {"apiVersion": "orchestrate/v1"} if form == "plan" else {}
    return {
        **head,
        "name": f"compare-{form}-{layers}x{width}",
        "services": {name: service(ready, before, form) for name, before in services(layers, width)},
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("layers", type=int)
    arguments.add_argument("width", type=int)
    arguments.add_argument("--ready", type=float, default=0.3)
    arguments.add_argument("--format", choices=["compose", "plan"], default="plan")
    given = arguments.parse_args()
    # JSON is YAML.
    print(json.dumps(document(given.layers, given.width, given.ready, given.format), indent=1))


if __name__ == "__main__":
    main()
