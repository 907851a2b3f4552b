#!/usr/bin/env python3
"""Twenty booted tasks to `running`, side by side, against a bare loop of the same with systemd-nspawn."""

import concurrent.futures
import os
import pathlib
import socket
import subprocess

from host import PROGRAMS, host
from side_by_side import measure, report

COUNT = int(os.environ.get("COUNT", "20"))
RUNS = int(os.environ.get("RUNS", "3"))


def everywhere(body):
    with concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
        list(pool.map(body, range(COUNT)))


def dish(host):
    def boot(number):
        subprocess.run(
            [str(PROGRAMS / "dish"), "run", "--name", f"bench-{number}", "//web:app"], env=host.environment, check=True,
            stdout=subprocess.DEVNULL)

    return lambda: everywhere(boot)


class ByHand:
    """Snapshot, namespace, container; ready is what systemd inside tells through sd_notify."""

    def __init__(self, host):
        self.layer = host.layer("//web:app")
        self.directory = host.pool / "tasks"
        self.running = []

    def boot(self, number):
        clone = self.directory / f"by-hand-{number}"
        clone.mkdir()
        root = clone / "rootfs"
        subprocess.run(["btrfs", "-q", "subvolume", "snapshot", self.layer, root], check=True)
        # systemd-nspawn boots in a user namespace only from a control group of its own.
        groups = []
        for hierarchy in ("unified", "systemd"):
            if os.path.isdir(f"/sys/fs/cgroup/{hierarchy}"):
                group = pathlib.Path(f"/sys/fs/cgroup/{hierarchy}/by-hand-{number}")
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


with host() as host:
    by_hand = ByHand(host)
    times = {"systemd-nspawn by hand": [], "dish run": []}
    for _ in range(RUNS):
        # Taking down is not timed.
        for name, values in measure({"systemd-nspawn by hand": lambda: everywhere(by_hand.boot)}, 1, warmup=0).items():
            times[name] += values
        by_hand.clean_up()
        for name, values in measure({"dish run": dish(host)}, 1, warmup=0).items():
            times[name] += values
        host.dish("rm", "--force", *[f"bench-{number}" for number in range(COUNT)])
    report(f"boot {COUNT} tasks to running, median of {RUNS}", times, "systemd-nspawn by hand")
