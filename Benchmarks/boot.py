#!/usr/bin/env python3
"""Booting the example's image: the processor time of one boot against Debian's own selection of units with the same packages, and
twenty at a time to `running`, against a bare loop of the same with systemd-nspawn and against LXD with the stock image.

The aims: at most half the processor time of the stock image; twenty at a time at least twice as fast as LXD's.
"""

import concurrent.futures
import os
import pathlib
import socket
import subprocess

from host import PROGRAMS, host
from peers import LXD, peers
from side_by_side import measure, report
from stock import stock

COUNT = int(os.environ.get("COUNT", "20"))
RUNS = int(os.environ.get("RUNS", "3"))
CGROUPS = pathlib.Path("/sys/fs/cgroup")
# Version 2 first: it counts processor time whatever else is done with it.
HIERARCHIES = [CGROUPS / "unified", CGROUPS / "systemd"] if (CGROUPS / "unified").is_dir() else [CGROUPS]


def everywhere(body):
    with concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
        list(pool.map(body, range(COUNT)))


class DishRun:
    def __init__(self, host):
        self.host = host

    def boot(self, number):
        subprocess.run(
            [str(PROGRAMS / "dish"), "run", "--name", f"bench-{number}", "//web:app"], env=self.host.environment, check=True,
            stdout=subprocess.DEVNULL)

    def clean_up(self):
        self.host.dish("rm", "--force", *[f"bench-{number}" for number in range(COUNT)])


class ByHand:
    """Snapshot, namespace, container; ready is what systemd inside tells through sd_notify."""

    def __init__(self, host, layer):
        self.layer = layer
        self.directory = host.pool / "tasks"
        self.running = []

    def boot(self, number):
        clone = self.directory / f"by-hand-{number}"
        clone.mkdir()
        root = clone / "rootfs"
        subprocess.run(["btrfs", "-q", "subvolume", "snapshot", self.layer, root], check=True)
        # systemd-nspawn boots in a user namespace only from a control group of its own.
        groups = []
        for hierarchy in HIERARCHIES:
            group = hierarchy / f"by-hand-{number}"
            group.mkdir()
            groups.append(group)
        notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notices.bind(str(clone / "notify"))

        def enter():
            for group in groups:
                (group / "cgroup.procs").write_text("0")

        process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--directory={root}", "--boot", "--notify-ready=yes",
             "--console=read-only", f"--private-users={1966080000 + number * 65536}:65536", "--private-users-ownership=map",
             "--private-network", "--link-journal=no", "--kill-signal=SIGRTMIN+3", f"--machine=by-hand-{number}"],
            env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(clone / "notify")}, preexec_fn=enter,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.running.append((process, clone, groups))
        while b"READY=1" not in notices.recv(4096):
            pass
        notices.close()

    def processor(self):
        """Milliseconds of processor time of what runs, systemd-nspawn included."""
        usage = [(groups[0] / "cpu.stat").read_text().split()[1] for _, _, groups in self.running]
        return sum(int(microseconds) for microseconds in usage) / 1000

    def clean_up(self):
        for process, _, _ in self.running:
            process.terminate()
        for process, clone, groups in self.running:
            process.wait()
            subprocess.run(["btrfs", "-q", "subvolume", "delete", clone / "rootfs"], check=True)
            (clone / "notify").unlink()
            clone.rmdir()
            for group in groups:
                for below in sorted(group.rglob("*/"), reverse=True):
                    below.rmdir()
                group.rmdir()
        self.running = []


class LaunchLXD:
    def __init__(self, lxd):
        self.lxd = lxd

    def boot(self, number):
        self.lxd.start(f"bench-{number}")
        self.lxd.wait(f"bench-{number}")

    def clean_up(self):
        everywhere(lambda number: self.lxd.remove(f"bench-{number}"))


def one_boot(host, stock_root):
    """The processor time of single boots, the two images taking turns."""
    contestants = {"stock": ByHand(host, stock_root), "the example's image": ByHand(host, host.layer("//web:app"))}
    times = {name: [] for name in contestants}
    for _ in range(max(RUNS, 5)):
        for name, by_hand in contestants.items():
            by_hand.boot(0)
            times[name].append(by_hand.processor())
            by_hand.clean_up()
    report(f"processor time of a boot to running, systemd-nspawn included, median of {max(RUNS, 5)}", times, "stock")


def many_boots(host, rivals):
    by_hand = ByHand(host, host.layer("//web:app"))
    contestants = {"systemd-nspawn by hand": by_hand, "dish run": DishRun(host)}
    contestants |= {f"{rival.name}, stock image": LaunchLXD(rival) for rival in rivals}
    times = {name: [] for name in contestants}
    for _ in range(RUNS):
        # Taking down is not timed.
        for name, contestant in contestants.items():
            for found in measure({name: lambda: everywhere(contestant.boot)}, 1, warmup=0).values():
                times[name] += found
            contestant.clean_up()
    report(f"boot {COUNT} tasks to running, median of {RUNS}", times, "systemd-nspawn by hand")


with host() as instance, stock(instance) as stock_root:
    one_boot(instance, stock_root)
    with peers(stock_root, LXD) as rivals:
        many_boots(instance, rivals)
