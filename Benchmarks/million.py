#!/usr/bin/env python3
"""A million files: a volume's snapshot, send and receive, and an import, beside btrfs and tar doing the same work; memory.

FILES sets another number of files, RUNS how often each is done."""

import os
import statistics
import subprocess
import tempfile
import time

from host import HOME, PROGRAMS, Host
from pools import settle, sync

FILES = int(os.environ.get("FILES", "1000000"))
RUNS = int(os.environ.get("RUNS", "3"))
DISH = str(PROGRAMS / "dish")
IN_DIRECTORY = 500
# Bytes that a process may take.
LIMIT = 200 << 20


class Work:
    """Runs commands, each until what it did is on disk, and keeps times and the most memory."""

    def __init__(self, host, pool):
        self.environment, self.pool = {**host.environment, "DISH_POOL": str(pool)}, pool
        self.times, self.memory = {}, {}

    def run(self, title, name, *command, prepare=lambda: None, after=lambda: None):
        for _ in range(RUNS):
            prepare()
            settle(self.pool)
            # As another host has it: nothing is cached.
            with open("/proc/sys/vm/drop_caches", "w") as file:
                file.write("3")
            start = time.perf_counter()
            process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            assert status == 0, command
            sync(self.pool)
            self.times.setdefault(title, {}).setdefault(name, []).append(time.perf_counter() - start)
            self.memory[title, name] = max(self.memory.get((title, name), 0), usage.ru_maxrss << 10)
            after()

    def dish(self, *arguments):
        return subprocess.run([DISH, *arguments], env=self.environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def report(self):
        print(f"\n{FILES} files, to durable state, median of {RUNS}")
        for title, times in self.times.items():
            if "dish" not in times:
                continue
            medians = {name: statistics.median(values) for name, values in times.items()}
            stock = next(name for name in times if name != "dish")
            memory = self.memory[title, "dish"]
            print(f"  {title:<22} dish {medians['dish']:7.2f} s, {stock} {medians[stock]:7.2f} s: {medians['dish'] / medians[stock]:5.2f} x"
                  f"  {memory / 2**20:6.1f} MiB{'' if memory <= LIMIT else '  MORE THAN 200 MiB'}", flush=True)


def fill(data):
    """Files of some hundred bytes, of which one in twenty is larger."""
    for number in range(0, FILES, IN_DIRECTORY):
        directory = data / f"directory-{number // IN_DIRECTORY:05}"
        directory.mkdir()
        for file in range(number, min(FILES, number + IN_DIRECTORY)):
            with open(directory / f"file-{file:07}", "wb") as opened:
                opened.write(f"{file}\n".encode() * (800 if file % 20 == 0 else 20))


def change(data):
    """One file in a hundred gets another content; some go, some are new, some move."""
    for number in range(0, FILES, 100):
        path = data / f"directory-{number // IN_DIRECTORY:05}" / f"file-{number:07}"
        if number % 1000 == 0:
            path.unlink()
        elif number % 1000 == 100:
            path.rename(path.with_name(f"moved-{number}"))
        elif number % 1000 == 200:
            path.with_name(f"new-{number}").write_text("new\n")
        else:
            path.write_text(f"changed {number}\n")


def delete(*paths):
    for path in paths:
        if path.exists():
            subprocess.run(["btrfs", "-q", "subvolume", "delete", path], check=True)


def measure(work, folder):
    pool = work.pool
    data = pool / "volumes/many/data"
    stock = pool / "stock"
    stock.mkdir()
    # What a snapshot does beside the kernel's: every file is read and hashed.
    hashing = "find . -xdev -type f -print0 | sort -z | xargs -0 -n 2000 sha256sum > /dev/null"
    work.dish("volume", "create", "many")
    fill(data)
    sync(pool)
    work.run("snapshot", "btrfs, sha256sum", "sh", "-ec", f"btrfs -q subvolume snapshot -r {data} {stock}/first && cd {stock}/first && {hashing}",
             prepare=lambda: delete(stock / "first"))
    work.run("snapshot", "dish", DISH, "volume", "snapshot", "many", "first",
             prepare=lambda: work.dish("volume", "rm", "many@first") if (pool / "volumes/many/snapshots/first").exists() else None)
    marker = folder / "marker"
    marker.touch()
    # Times have the resolution of the kernel's ticks.
    time.sleep(0.1)
    change(data)
    sync(pool)
    hashing_changes = f"find . -xdev -type f -newer {marker} -print0 | xargs -0 -n 2000 sha256sum > /dev/null"
    subprocess.run(["btrfs", "-q", "subvolume", "snapshot", "-r", data, stock / "second"], check=True)
    work.run("snapshot of changes", "btrfs, sha256sum", "sh", "-ec",
             f"btrfs -q subvolume snapshot -r {data} {stock}/third && cd {stock}/third && {hashing_changes}",
             prepare=lambda: delete(stock / "third"))
    work.run("snapshot of changes", "dish", DISH, "volume", "snapshot", "many", "second",
             prepare=lambda: work.dish("volume", "rm", "many@second") if (pool / "volumes/many/snapshots/second").exists() else None)
    streams = {name: folder / name for name in ("whole", "difference", "stock-whole", "stock-difference")}
    work.run("send", "btrfs send", "btrfs", "send", "-q", "-f", streams["stock-whole"], stock / "first")
    work.run("send", "dish", DISH, "volume", "send", "many@first", "-o", streams["whole"])
    work.run("send of changes", "btrfs send", "btrfs", "send", "-q", "-f", streams["stock-difference"], "-p", stock / "first", stock / "second")
    work.run("send of changes", "dish", DISH, "volume", "send", "many@second", "--since", "first", "-o", streams["difference"])
    there = stock / "there"
    there.mkdir()
    check = f"cd {there}/first && {hashing}"
    work.run("receive", "btrfs receive, sha256sum", "sh", "-ec", f"btrfs receive -q -f {streams['stock-whole']} {there} && {check}",
             prepare=lambda: delete(there / "first"))
    work.run("receive", "dish", DISH, "volume", "receive", "copy", streams["whole"],
             prepare=lambda: work.dish("volume", "rm", "copy") if (pool / "volumes/copy").exists() else None)
    work.run("receive of changes", "btrfs receive, sha256sum", "sh", "-ec",
             f"btrfs receive -q -f {streams['stock-difference']} {there} && cd {there}/second && {hashing_changes}",
             prepare=lambda: delete(there / "second"))
    work.run("receive of changes", "dish", DISH, "volume", "receive", "copy", streams["difference"],
             prepare=lambda: work.dish("volume", "rm", "copy@second") if (pool / "volumes/copy/snapshots/second").exists() else None)
    archive = folder / "archive.tar"
    subprocess.run(["tar", "-C", stock / "first", "-cf", archive, "."], check=True)
    work.run("import", "tar, sha256sum", "sh", "-ec",
             f"btrfs -q subvolume create {stock}/import && tar -C {stock}/import --xattrs -xf {archive} && sync -f {stock} && cd {stock}/import && {hashing}",
             prepare=lambda: delete(stock / "import"))
    work.run("import", "dish", DISH, "image", "import", f"tar:{archive}", "--name", "many:1",
             prepare=lambda: subprocess.run([DISH, "image", "rm", "many:1"], env=work.environment, capture_output=True))


host = Host()
pool = HOME / "million-pool"
# What an earlier run left when it was killed.
subprocess.run([DISH, "pool", "destroy", str(pool), "--yes"], env=host.environment, capture_output=True)
host.dish("pool", "create", str(pool), "--size", "30G")
work = Work(host, pool)
try:
    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        measure(work, pool.__class__(folder))
finally:
    work.report()
    for volume in ("many", "copy"):
        subprocess.run([DISH, "volume", "rm", volume], env=work.environment, capture_output=True)
    subprocess.run([DISH, "image", "rm", "many:1"], env=work.environment, capture_output=True)
    host.dish("pool", "destroy", str(pool), "--yes")
