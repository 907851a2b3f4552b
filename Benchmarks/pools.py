"""Pools on loop files that a benchmark fills and empties."""

import contextlib
import subprocess
import time

from host import HOME, PROGRAMS


def sync(path):
    subprocess.run(["sync", "--file-system", path], check=True)


def settle(path):
    """Lets the kernel clean up what was deleted: that isn't billed to the next."""
    (path / "cache" / "settle").write_text(str(time.time()))
    while True:
        # Of all ways to sync, this one wakes the kernel's cleaner at once.
        subprocess.run(["btrfs", "filesystem", "sync", path], check=True)
        if not subprocess.run(["btrfs", "subvolume", "list", "-d", path], check=True, stdout=subprocess.PIPE).stdout:
            break
        time.sleep(0.02)
    sync(path)


@contextlib.contextmanager
def pool(host, name):
    """A new pool; taken down at the end."""
    path = HOME / name
    # What an earlier run left when it was killed.
    subprocess.run([str(PROGRAMS / "dish"), "pool", "destroy", str(path), "--yes"], env=host.environment, capture_output=True)
    host.dish("pool", "create", str(path), "--size", "6G")
    try:
        yield path
    finally:
        host.dish("pool", "destroy", str(path), "--yes")
