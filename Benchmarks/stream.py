#!/usr/bin/env python3
"""Streams: the example's base image applied by `dish image receive` and by `btrfs receive`, to synced state; parsing; memory; a small change.

Both get the same stream into the same pool. Ours also computes and checks the layer's digest."""

import os
import re
import subprocess

from host import HOME, PROGRAMS, REPOSITORY, Host
from pools import pool, settle, sync
from side_by_side import measure, report

RUNS = int(os.environ.get("RUNS", "7"))
DISH = str(PROGRAMS / "dish")


def send(host, *arguments):
    target = HOME / "stream"
    with open(target, "wb") as file:
        subprocess.run([DISH, "image", "send", *arguments], env=host.environment, check=True, stdout=file)
    return target


def apply(host, target, stream, title):
    stock = target / "stock"
    stock.mkdir(exist_ok=True)
    environment = {**host.environment, "DISH_POOL": str(target)}
    identity = subprocess.run([DISH, "stream", "dump", stream], check=True, stdout=subprocess.PIPE, text=True).stdout
    identity = re.search(r"path=([0-9a-f]{64})", identity).group(1)

    def by_dish():
        subprocess.run([DISH, "image", "receive", stream], env=environment, check=True, stdout=subprocess.DEVNULL)
        sync(target)

    def by_btrfs():
        subprocess.run(["btrfs", "receive", "-q", "-f", stream, stock], check=True)
        sync(target)

    times = {"btrfs receive, sync": [], "dish image receive (with digest), sync": []}
    for run in range(RUNS + 1):
        for name, body in zip(times, (by_btrfs, by_dish)):
            settle(target)
            value = measure({name: body}, 1, warmup=0)[name]
            if run:
                times[name] += value
        subprocess.run(["btrfs", "-q", "subvolume", "delete", stock / identity], check=True)
        subprocess.run([DISH, "image", "rm", identity], env=environment, check=True)
    report(f"{title}: {stream.stat().st_size / 1e6:.0f} MB to durable state, median of {RUNS}", times, "btrfs receive, sync")


def memory(host, target, stream):
    environment = {**host.environment, "DISH_POOL": str(target)}
    process = subprocess.Popen([DISH, "image", "receive", stream], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    print(f"\nmemory of dish image receive, {stream.stat().st_size / 1e6:.0f} MB: {usage.ru_maxrss / 1024:.1f} MiB at most")


def parsing(stream):
    output = subprocess.run([DISH, "stream", "dump", "--rate", stream], check=True, stdout=subprocess.PIPE, text=True).stdout
    print(f"\nparsing in memory, checksums included: {output.strip()}")


host = Host()
host.dish("pool", "create", str(host.pool), "--size", "12G")
try:
    host.dish("image", "build", "//web:app", cwd=REPOSITORY / "examples/web")
    with pool(host, "stream-pool") as target:
        stream = send(host, "//os:base")
        parsing(stream)
        apply(host, target, stream, "the example's base layer")
        memory(host, target, stream)
finally:
    (HOME / "stream").unlink(missing_ok=True)
    subprocess.run(["umount", str(host.pool)], check=False)
