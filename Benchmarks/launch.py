#!/usr/bin/env python3
"""A plain process from an image that is there: `dish run --rm IMAGE -- /bin/true` against the same by hand."""

import os
import subprocess

from host import HOME, PROGRAMS, host
from side_by_side import measure, report

RUNS = int(os.environ.get("RUNS", "30"))


def by_hand(host, *options):
    layer = host.layer("//web:app")
    clone = host.pool / "tasks" / "by-hand"

    def launch():
        subprocess.run(["btrfs", "-q", "subvolume", "snapshot", layer, clone], check=True)
        subprocess.run(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory", clone, *options, "/bin/true"],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        subprocess.run(["btrfs", "-q", "subvolume", "delete", clone], check=True)

    return launch


def dish(host, *options):
    command = [str(PROGRAMS / "dish"), "run", "--rm", *options, "//web:app", "--", "/bin/true"]
    return lambda: subprocess.run(command, env=host.environment, check=True)


with host() as host:
    times = measure(
        {
            "snapshot + systemd-nspawn + delete": by_hand(host),
            "the same in a user namespace, without network": by_hand(
                host, "--private-users=1966080000:65536", "--private-users-ownership=map", "--private-network"),
            "dish run --rm": dish(host),
            "dish run --rm --network host": dish(host, "--network", "host"),
            "dish run --rm --network host --no-user-namespace": dish(host, "--network", "host", "--no-user-namespace"),
        },
        RUNS, pause=0.2,
    )
    report(f"launch a plain process, median of {RUNS}", times, "snapshot + systemd-nspawn + delete")
