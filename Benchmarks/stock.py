"""The example's packages as Debian has them: nothing masked, nothing disabled, host keys there."""

import contextlib
import re
import shutil
import subprocess

from host import HOME, REPOSITORY

WORKSPACE = HOME / "stock-workspace"
PACKAGES = re.compile(r"^    packages: \[(.*)\]$", re.MULTILINE)


@contextlib.contextmanager
def stock(host):
    """The path of a root file system of the same packages as //web:app, in the pool; gone at the end."""
    packages = [
        package for folder in ("os", "org", "web")
        for package in PACKAGES.search((REPOSITORY / "examples/web" / folder / "IMAGES.yaml").read_text())[1].split(", ")
    ]
    shutil.rmtree(WORKSPACE, ignore_errors=True)
    (WORKSPACE / "stock").mkdir(parents=True)
    (WORKSPACE / "WORKSPACE").write_text("")
    (WORKSPACE / "stock/IMAGES.yaml").write_text(
        "images:\n  - name: base\n    base: {debian: {suite: bookworm}}\n"
        f"    packages: [{', '.join(packages)}]\n")
    host.dish("image", "build", "//stock:base", cwd=WORKSPACE)
    root = host.pool / "staging" / "stock-rootfs"
    subprocess.run(["btrfs", "-q", "subvolume", "snapshot", host.layer("//stock:base"), root], check=True)
    try:
        # As after installing openssh-server.
        subprocess.run(["ssh-keygen", "-q", "-A", "-f", root], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield root
    finally:
        subprocess.run(["btrfs", "-q", "subvolume", "delete", root], check=True)
        shutil.rmtree(WORKSPACE)
