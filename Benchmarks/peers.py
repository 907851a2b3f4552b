"""LXD and Docker beside Butterdish: each a daemon of its own below .bench, without a network, fed with the same root file
system, taken down at the end."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import time

from host import HOME


def output(command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options).stdout


def descendants(pid):
    """The process and all below it."""
    found = [pid]
    for process in found:
        for task in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def proportional(pids):
    """Bytes of memory of processes, what they share divided among those that share it."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0]) * 1024
    return total


def named(prefix, directory):
    """Processes whose command line begins with a prefix and names a directory."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text.startswith(prefix) and str(directory) in text:
                found.append(int(path.parent.name))
    return found


class LXD:
    """Debian's lxd with a Btrfs pool on a loop file; unprivileged system containers."""

    name = "LXD"
    boots = True
    missing = None if shutil.which("lxd") else "lxd is not installed"

    def __init__(self, root):
        self.directory = HOME / "lxd"
        shutil.rmtree(self.directory, ignore_errors=True)
        (self.directory / "d").mkdir(parents=True)
        self.environment = {**os.environ, "LXD_DIR": str(self.directory / "d")}
        self.daemon = subprocess.Popen(
            ["lxd", "--group", "root", "--logfile", self.directory / "log"], env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        output(["lxd", "waitready", "--timeout", "60"], env=self.environment)
        preseed = {
            "storage_pools": [{"name": "default", "driver": "btrfs", "config": {"size": "8GiB"}}],
            "profiles": [{"name": "default", "devices": {"root": {"path": "/", "pool": "default", "type": "disk"}}}],
        }
        output(["lxd", "init", "--preseed"], env=self.environment, input=json.dumps(preseed))
        (self.directory / "metadata.yaml").write_text("architecture: x86_64\ncreation_date: 1700000000\n")
        with tarfile.open(self.directory / "metadata.tar", "w") as archive:
            archive.add(self.directory / "metadata.yaml", "metadata.yaml")
        output(["tar", "-C", root, "-cf", self.directory / "rootfs.tar", "."])
        self.lxc("image", "import", self.directory / "metadata.tar", self.directory / "rootfs.tar", "--alias", "stock")
        # The first container of an image unpacks it.
        self.start("unpack")
        self.remove("unpack")

    def lxc(self, *arguments):
        return output(["lxc", *arguments], env=self.environment)

    def start(self, name):
        """What `lxc launch` waits for: the container has a first process."""
        self.lxc("launch", "--quiet", "stock", name)

    def wait(self, name):
        """Until systemd has booted."""
        while True:
            # With --wait it can miss the end of the boot, and waits forever; so does lxc exec now and then.
            with contextlib.suppress(subprocess.TimeoutExpired):
                state = subprocess.run(
                    ["lxc", "exec", name, "--", "systemctl", "is-system-running"], env=self.environment, capture_output=True, text=True,
                    timeout=10)
                if state.stdout.strip() in ("running", "degraded"):
                    return
            time.sleep(0.1)

    def remove(self, name):
        self.lxc("delete", "--force", name)

    def processes(self):
        """The daemon and its monitors, one for each container."""
        return [self.daemon.pid, *named("[lxc monitor]", self.directory)]

    def close(self):
        self.lxc("image", "delete", "stock")
        self.lxc("profile", "device", "remove", "default", "root")
        self.lxc("storage", "delete", "default")
        self.daemon.terminate()
        self.daemon.wait()
        for mount in ("d/shmounts", "d/devlxd"):
            subprocess.run(["umount", "-l", self.directory / mount], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.directory, ignore_errors=True)


class Docker:
    """Debian's docker.io with the overlay driver, without networks; a container is one process."""

    name = "Docker"
    boots = False
    missing = None if shutil.which("dockerd") else "docker.io is not installed"

    def __init__(self, root):
        self.directory = HOME / "docker"
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.socket = f"unix://{self.directory}/docker.sock"
        self.daemon = subprocess.Popen(
            ["dockerd", "--iptables=false", "--bridge=none", "--data-root", self.directory / "data", "--exec-root",
             self.directory / "run", "--pidfile", self.directory / "pid", "--host", self.socket],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.directory / "log", "w"))
        for _ in range(300):
            if subprocess.run(["/usr/bin/docker", "--host", self.socket, "info"], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        archive = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        output(["/usr/bin/docker", "--host", self.socket, "import", "-", "stock"], stdin=archive.stdout)
        archive.wait()

    def docker(self, *arguments):
        return output(["/usr/bin/docker", "--host", self.socket, *arguments])

    def start(self, name):
        self.docker("run", "--detach", "--network", "none", "--name", name, "stock", "sleep", "infinity")

    def wait(self, name):
        """`docker run --detach` returns when the process runs."""

    def remove(self, name):
        self.docker("rm", "--force", name)

    def processes(self):
        """The daemon, its containerd, and a shim for each container."""
        return descendants(self.daemon.pid) + named("/usr/bin/containerd-shim", self.directory)

    def close(self):
        self.daemon.terminate()
        self.daemon.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def peers(root, *kinds):
    """Those of the kinds that are installed; says which aren't."""
    with contextlib.ExitStack() as stack:
        running = []
        for kind in kinds:
            if kind.missing:
                print(f"not compared with {kind.name}: {kind.missing}")
                continue
            peer = kind(root)
            stack.callback(peer.close)
            running.append(peer)
        yield running
