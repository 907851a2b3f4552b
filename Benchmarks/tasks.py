#!/usr/bin/env python3
"""Many tasks on one host: what the agent and the helpers need, how fast an agent that starts anew has them again, and
the memory of fifty booted tasks whose image shares `/usr` among them and of fifty whose image doesn't; and fifty tasks
beside fifty containers of LXD and of Docker.

The aims, for 300 tasks: the agent at most 40 MB and 1 % of a processor while nothing happens, a helper at most 4 MB, all
adopted within 500 ms.
"""

import concurrent.futures
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

from host import HOME, PROGRAMS, REPOSITORY, RUNTIME, host
from peers import LXD, Docker, peers, proportional
from stock import stock

COUNT = int(os.environ.get("COUNT", "300"))
BOOTED = int(os.environ.get("BOOTED", "50"))
WORKSPACE = HOME / "tasks-workspace"
DISH = str(PROGRAMS / "dish")


def everywhere(body, count):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(body, range(count)))


def run(host, *arguments):
    subprocess.run([DISH, *map(str, arguments)], env=host.environment, check=True, stdout=subprocess.DEVNULL)


def status(host):
    """What `GET /v1/agent` says of the agent, without a command in between."""
    answer = subprocess.run(
        ["curl", "--silent", "--fail", "--unix-socket", RUNTIME / "dishd.sock", "http://dish/v1/agent"], capture_output=True)
    return json.loads(answer.stdout) if answer.returncode == 0 else None


def resident(pid):
    """Bytes of memory, shared pages included."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) * 1024


def processor(pid):
    """Seconds of processor time."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def available():
    subprocess.run(["sync"], check=True)
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(text.split("MemAvailable:")[1].split()[0]) * 1024


def tasks(host):
    return json.loads(host.dish("ps", "--json"))


def many(host):
    start = time.perf_counter()
    everywhere(lambda n: run(host, "run", "--detach", "--name", f"many-{n}", "//web:app", "--", "/bin/sleep", "infinity"), COUNT)
    print(f"\n{COUNT} tasks of one process: started in {time.perf_counter() - start:.1f} s")
    running = tasks(host)
    assert len(running) == COUNT and all(task["state"] == "running" for task in running)
    agent = status(host)["pid"]
    # It tidies up twice a minute.
    time.sleep(35)
    before, seconds = processor(agent), 20
    time.sleep(seconds)
    helpers = [resident(task["processes"]["helper"]) for task in running]
    print(f"  agent: {resident(agent) / 1e6:.1f} MB, {(processor(agent) - before) / seconds * 100:.2f} % of a processor when idle")
    print(f"  helpers: {statistics.median(helpers) / 1e6:.1f} MB each (largest {max(helpers) / 1e6:.1f})")
    restart(host, running)
    start = time.perf_counter()
    everywhere(lambda n: run(host, "rm", "--force", f"many-{n}"), COUNT)
    left = subprocess.run(["btrfs", "subvolume", "list", host.pool], capture_output=True, text=True, check=True).stdout
    print(f"  removed in {time.perf_counter() - start:.1f} s; left of them: {left.count('tasks/')} subvolumes")


def restart(host, running):
    """Kills the agent and starts another; the tasks must be the same processes."""
    host.agent.kill()
    host.agent.wait()
    start = time.perf_counter()
    host.start_agent()
    while status(host) is None:
        time.sleep(0.002)
    elapsed = time.perf_counter() - start
    leaders = {task["name"]: task["processes"]["leader"] for task in running}
    now = {task["name"]: (task.get("processes") or {}).get("leader") for task in tasks(host)}
    print(f"  a new agent answers, with all of them, after {elapsed * 1000:.0f} ms; the same processes: {leaders == now}")


def memory(host):
    """Fifty booted tasks, with and without an immutable `/usr`."""
    shutil.rmtree(WORKSPACE, ignore_errors=True)
    for folder in ("os", "org", "web"):
        shutil.copytree(REPOSITORY / "examples/web" / folder, WORKSPACE / folder)
    (WORKSPACE / "WORKSPACE").write_text("")
    shutil.copy(REPOSITORY / "examples/web/IMAGES.lock", WORKSPACE)
    (WORKSPACE / "shared").mkdir()
    (WORKSPACE / "shared/IMAGES.yaml").write_text(
        "images:\n  - name: app\n    parent: //web:app\n    task: {immutable: [/usr]}\n"
        "  - name: same\n    parent: //web:app\n    task: {labels: {immutable: none}}\n")
    host.dish("image", "build", "//shared:app", "//shared:same", cwd=WORKSPACE)
    used = {}
    for image in ("//shared:same", "//shared:app"):
        subprocess.run("echo 3 > /proc/sys/vm/drop_caches", shell=True, check=True)
        before = available(), cached()
        everywhere(lambda n: run(host, "run", "--name", f"memory-{n}", image), BOOTED)
        time.sleep(5)
        used[image] = cached() - before[1], before[0] - available()
        everywhere(lambda n: run(host, "rm", "--force", f"memory-{n}"), BOOTED)
    print(f"\nmemory of {BOOTED} booted tasks of one image: page cache, and what is no longer available")
    for image, title in (("//shared:same", "each its own /usr"), ("//shared:app", "immutable /usr")):
        print(f"  {title:<18} {used[image][0] / 1e6:8.0f} MB cached  {used[image][1] / 1e6:8.0f} MB less available")
    print(f"  with it {used['//shared:app'][0] / used['//shared:same'][0]:.2f} x the cache")
    shutil.rmtree(WORKSPACE)


def cached():
    subprocess.run(["sync"], check=True)
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(text.split("\nCached:")[1].split()[0]) * 1024


class Dish:
    """This agent as a peer of the others."""

    def __init__(self, host, name, *command):
        self.host, self.name, self.command = host, name, command

    def start(self, name):
        run(self.host, "run", "--detach", "--network", "none", "--name", name, "//web:app", *self.command)

    def wait(self, name):
        """`dish run` without a command returns when systemd has booted."""

    def remove(self, name):
        run(self.host, "rm", "--force", name)

    def processes(self):
        return [self.host.agent.pid, *(task["processes"]["helper"] for task in tasks(self.host))]


def side_by_side(title, contestants):
    print(f"\n{title}")
    for contestant in contestants:
        def up(number):
            contestant.start(f"peer-{number}")
            contestant.wait(f"peer-{number}")

        start = time.perf_counter()
        everywhere(up, BOOTED)
        running = time.perf_counter() - start
        time.sleep(3)
        size = proportional(contestant.processes())
        start = time.perf_counter()
        everywhere(lambda number: contestant.remove(f"peer-{number}"), BOOTED)
        removed = time.perf_counter() - start
        print(f"  {contestant.name:<24} running {running:6.1f} s   daemon and helpers {size / 1e6:6.1f} MB   removed {removed:6.1f} s")


with host() as instance:
    many(instance)
    memory(instance)
    with stock(instance) as root, peers(root, LXD, Docker) as rivals:
        booting = [Dish(instance, "dish"), *(rival for rival in rivals if rival.boots)]
        side_by_side(f"{BOOTED} system containers, booted, eight at a time", booting)
        single = [Dish(instance, "dish", "--", "/bin/sleep", "infinity"), *(rival for rival in rivals if not rival.boots)]
        side_by_side(f"{BOOTED} containers of one process, eight at a time", single)
