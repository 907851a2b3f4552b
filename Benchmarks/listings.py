#!/usr/bin/env python3
"""Listings of a pool with many subvolumes: `dish pool usage` and `dish volume ls`, beside `btrfs subvolume list`.

The aims: usage of 4,000 subvolumes within 300 ms once the index is made, 1,000 volumes listed within 50 ms.
"""

import concurrent.futures
import json
import os
import subprocess

from host import PROGRAMS, Host
from pools import pool, settle
from side_by_side import measure, report

VOLUMES = int(os.environ.get("VOLUMES", "1000"))
SUBVOLUMES = int(os.environ.get("SUBVOLUMES", "4000"))
RUNS = int(os.environ.get("RUNS", "15"))
DISH = str(PROGRAMS / "dish")


def everywhere(body, names):
    with concurrent.futures.ThreadPoolExecutor(8) as workers:
        list(workers.map(body, names))


def count(target):
    lines = subprocess.run(["btrfs", "subvolume", "list", target], check=True, stdout=subprocess.PIPE, text=True).stdout
    return len(lines.splitlines())


def fill(environment, target):
    """Volumes with a snapshot each, as many as are asked for; then subvolumes in one of them."""
    def run(*arguments):
        subprocess.run([DISH, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)

    names = [f"v{number}" for number in range(VOLUMES)]
    everywhere(lambda name: run("volume", "create", name), names)
    everywhere(lambda name: run("volume", "snapshot", name, "one"), names)
    inside = target / "volumes" / names[0] / "data"
    for number in range(SUBVOLUMES - count(target)):
        subprocess.run(["btrfs", "-q", "subvolume", "create", inside / str(number)], check=True)


host = Host()
with pool(host, "listings-pool") as target:
    environment = {**host.environment, "DISH_POOL": str(target)}

    def listing(*arguments):
        return lambda: subprocess.run([DISH, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)

    try:
        fill(environment, target)
        settle(target)
        listing("pool", "usage", "--refresh")()
        times = measure({
            "btrfs subvolume list": lambda: subprocess.run(
                ["btrfs", "subvolume", "list", target], check=True, stdout=subprocess.DEVNULL),
            "dish --version": listing("--version"),
            "dish volume ls": listing("volume", "ls"),
            "dish pool usage": listing("pool", "usage"),
        }, RUNS)
        report(f"{VOLUMES} volumes, {count(target)} subvolumes, median of {RUNS}", times, "btrfs subvolume list")
    finally:
        # A pool with volumes isn't destroyed.
        names = [volume["name"] for volume in json.loads(host.dish("volume", "ls", "--json", "--pool", str(target)))]
        if names:
            host.dish("volume", "rm", "--pool", str(target), *names)
