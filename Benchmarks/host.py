"""An installation of Butterdish for a benchmark: a pool on a loop file, the example's images, an agent."""

import contextlib
import json
import os
import pathlib
import subprocess
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
# Those of another build, where it is asked for.
PROGRAMS = pathlib.Path(os.environ.get("DISH_PROGRAMS") or REPOSITORY / ".build/release")
# Images stay between runs; `rm -r .bench` removes them.
HOME = REPOSITORY / ".bench"
RUNTIME = pathlib.Path("/run/dish-bench")
BRIDGE = "dish-bench"
# Networks of which the first that no route leads to is the tasks'.
SUBNETS = [f"10.{number}.0.0/16" for number in range(207, 192, -1)]


def free_subnet():
    for subnet in SUBNETS:
        routes = [
            subprocess.run(["ip", "-4", "route", "show", way, subnet], check=True, stdout=subprocess.PIPE, text=True).stdout
            for way in ("root", "match")]
        if all(line.startswith("default") or f"dev {BRIDGE} " in line for line in "".join(routes).splitlines()):
            return subnet
    raise SystemExit(f"this host has routes to all networks from {SUBNETS[-1]} to {SUBNETS[0]}: the benchmarks have none")


class Host:
    def __init__(self):
        HOME.mkdir(exist_ok=True)
        self.pool = HOME / "pool"
        self.environment = {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "http_proxy", "https_proxy", "no_proxy")},
            "DISH_STATE_DIR": str(HOME / "state"), "DISH_RUN_DIR": str(RUNTIME), "DISH_POOL": str(self.pool),
        }

    def dish(self, *arguments, **options):
        command = [str(PROGRAMS / "dish"), *arguments]
        return subprocess.run(command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True, **options).stdout

    def start_agent(self, *options):
        """Starts the agent; one that was killed before is forgotten."""
        log = open(HOME / "dishd.log", "a")
        self.agent = subprocess.Popen(
            [str(PROGRAMS / "dishd"), "--bridge", BRIDGE, "--subnet", free_subnet(), *options], env=self.environment, stdout=log, stderr=log)

    def layer(self, image):
        """The path of an image's root file system."""
        return self.pool / "layers" / json.loads(self.dish("image", "show", image, "--json"))["id"] / "rootfs"


def groups():
    """The control groups that systemd-nspawn makes when it is started from none of its own."""
    roots = [pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/sys/fs/cgroup/unified"), pathlib.Path("/sys/fs/cgroup/systemd")]
    return {root / name for root in roots for name in ("payload", "supervisor") if (root / name).is_dir()}


@contextlib.contextmanager
def host():
    """The pool with the example's images, and a running agent; taken down at the end."""
    instance = Host()
    instance.dish("pool", "create", str(instance.pool), "--size", "12G")
    instance.dish("image", "build", "//web:app", cwd=REPOSITORY / "examples/web")
    groups_before = groups()
    instance.start_agent()
    try:
        for _ in range(200):
            if subprocess.run([str(PROGRAMS / "dish"), "ps"], env=instance.environment, capture_output=True).returncode == 0:
                break
            time.sleep(0.05)
        yield instance
    finally:
        for task in json.loads(instance.dish("ps", "--json")):
            instance.dish("rm", "--force", task["name"])
        instance.agent.terminate()
        instance.agent.wait()
        subprocess.run(["umount", str(instance.pool)], check=False)
        for group in groups() - groups_before:
            group.rmdir()
