#!/usr/bin/env python3
"""Pulls from a registry on this machine: a change of 20 MB in an image of 600, and the example's base image against
`skopeo copy` with `tar`, and `podman pull`. All go into the same pool, to synced state."""

import contextlib
import io
import json
import os
import random
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request

from host import HOME, PROGRAMS, REPOSITORY, Host
from pools import pool, settle, sync
from side_by_side import measure, report

RUNS = int(os.environ.get("RUNS", "5"))
DISH = str(PROGRAMS / "dish")
WORKSPACE = HOME / "workspace"
MB = 1_000_000


@contextlib.contextmanager
def registry():
    """Debian's docker-registry with an empty store; its HOST:PORT."""
    store = HOME / "registry"
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    configuration = {
        "version": "0.1", "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(store)}}, "http": {"addr": address}}
    (store / "config.yml").write_text(json.dumps(configuration))
    process = subprocess.Popen(["docker-registry", "serve", store / "config.yml"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{address}/v2/").close()
                break
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(store)


def identity(host, image):
    return json.loads(host.dish("image", "show", image, "--json"))["id"]


def write_change(version):
    """An image of 600 files of 1 MB that nothing compresses; in the second version twenty of them are others."""
    generator = random.Random(7)
    files = [generator.randbytes(MB) for _ in range(600)]
    if version == 2:
        for number in range(0, 600, 30):
            files[number] = generator.randbytes(MB)
    shutil.rmtree(WORKSPACE, ignore_errors=True)
    (WORKSPACE / "app").mkdir(parents=True)
    (WORKSPACE / "WORKSPACE").write_text("")
    (WORKSPACE / "app/IMAGES.yaml").write_text(
        "images:\n  - name: app\n    base: scratch\n    tarballs: [{source: data.tar, to: /srv, owner: 0, group: 0}]\n")
    with tarfile.open(WORKSPACE / "app/data.tar", "w") as archive:
        for number, content in enumerate(files):
            entry = tarfile.TarInfo(f"data{number}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def change(host, target, address):
    environment = {**host.environment, "DISH_POOL": str(target)}
    reference = f"{address}/change:latest"
    for version in (1, 2):
        write_change(version)
        host.dish("image", "build", "//app:app", cwd=WORKSPACE)
        host.dish("image", "push", "//app:app", reference)
        if version == 1:
            subprocess.run([DISH, "image", "pull", reference, "--name", "first"], env=environment, check=True, capture_output=True)
    layer = identity(host, "//app:app")
    size = len(subprocess.run(
        [DISH, "image", "send", "//app:app", "--parent", identity_in(environment, "first")], env=host.environment, check=True,
        stdout=subprocess.PIPE).stdout)
    print(f"\na change of 20 MB in an image of 600 MB: a stream of {size} bytes, {size / (20 * MB):.4f} x the change")

    def pull():
        subprocess.run([DISH, "image", "pull", reference], env=environment, check=True, capture_output=True)
        sync(target)

    times = []
    for run in range(RUNS + 1):
        settle(target)
        value = measure({"pull": pull}, 1, warmup=0)["pull"]
        if run:
            times += value
        subprocess.run([DISH, "image", "rm", layer], env=environment, check=True)
    report(f"its pull from a registry on this machine, applied and synced, median of {RUNS}", {"dish image pull": times},
           "dish image pull")
    subprocess.run([DISH, "image", "rm", "first"], env=environment, check=True)


def identity_in(environment, image):
    output = subprocess.run([DISH, "image", "show", image, "--json"], env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(output.stdout)["id"]


def base(host, target, address):
    """The same image, as a package for us and as an OCI image for the others."""
    environment = {**host.environment, "DISH_POOL": str(target)}
    package, image = f"{address}/base:package", f"{address}/base:image"
    host.dish("image", "push", "//os:base", package)
    layout = HOME / "layout"
    shutil.rmtree(layout, ignore_errors=True)
    host.dish("image", "export", "//os:base", f"oci:{layout}:base")
    subprocess.run(["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:base", f"docker://{image}"], check=True)
    shutil.rmtree(layout)
    layer = identity(host, "//os:base")
    stock, copy = target / "stock", target / "copy"
    podman = ["podman", "--root", target / "podman", "--runroot", HOME / "podman-run", "--storage-driver", "overlay"]

    def by_dish():
        subprocess.run([DISH, "image", "pull", package], env=environment, check=True, capture_output=True)
        sync(target)

    def by_skopeo():
        subprocess.run(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{image}", f"dir:{copy}"], check=True)
        subprocess.run(["btrfs", "-q", "subvolume", "create", stock], check=True)
        for blob in json.loads((copy / "manifest.json").read_text())["layers"]:
            archive = copy / blob["digest"].removeprefix("sha256:")
            subprocess.run(["tar", "-x", "-z", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-f", archive, "-C", stock],
                           check=True)
        sync(target)

    def by_podman():
        subprocess.run([*podman, "pull", "-q", "--tls-verify=false", image], check=True, capture_output=True)
        sync(target)

    times = {"skopeo copy, tar -x": [], "podman pull": [], "dish image pull": []}
    for run in range(RUNS + 1):
        for name, body in zip(times, (by_skopeo, by_podman, by_dish)):
            settle(target)
            value = measure({name: body}, 1, warmup=0)[name]
            if run:
                times[name] += value
        shutil.rmtree(copy)
        subprocess.run(["btrfs", "-q", "subvolume", "delete", stock], check=True)
        subprocess.run([*podman, "rmi", "--all", "--force"], check=True, capture_output=True)
        subprocess.run([DISH, "image", "rm", layer], env=environment, check=True)
    report(f"pull the example's base image to durable state, median of {RUNS}", times, "dish image pull")


host = Host()
host.dish("pool", "create", str(host.pool), "--size", "12G")
try:
    host.dish("image", "build", "//os:base", cwd=REPOSITORY / "examples/web")
    with registry() as address, pool(host, "registry-pool") as target:
        change(host, target, address)
        base(host, target, address)
finally:
    shutil.rmtree(WORKSPACE, ignore_errors=True)
    subprocess.run(["umount", str(host.pool)], check=False)
