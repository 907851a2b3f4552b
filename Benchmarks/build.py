#!/usr/bin/env python3
"""Builds: nothing changed in 20 images, one file of an image on a big parent changed, eight images side by side.

The aims, on two processors: 50 ms at most, 500 ms at most, and 1.7 times as fast with -j 2 as with -j 1.
"""

import os
import shutil
import subprocess

from host import HOME, REPOSITORY, Host
from side_by_side import measure, report

RUNS = int(os.environ.get("RUNS", "10"))
WORKSPACE = HOME / "workspace"
# What one of the eight independent images has to do, on one processor.
WORK = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo {} > /srv/result"


def write(name, text):
    path = WORKSPACE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def image(name, parent, rest):
    return f"  - name: {name}\n    parent: {parent}\n    {rest}\n"


def workspace():
    shutil.rmtree(WORKSPACE, ignore_errors=True)
    write("WORKSPACE", "")
    write("os/IMAGES.yaml", (REPOSITORY / "examples/web/os/IMAGES.yaml").read_text())
    lock = REPOSITORY / "examples/web/IMAGES.lock"
    if lock.exists():
        shutil.copy(lock, WORKSPACE / "IMAGES.lock")
    for number in range(19):
        write(f"many/t{number}/IMAGES.yaml", "images:\n" + image("app", "//os:base", "files: [{path: /srv/conf, source: conf}]"))
        write(f"many/t{number}/conf", f"{number}\n")
    fill = "mkdir /srv/data; for i in $(seq 420); do head -c 1000000 /dev/zero | tr '\\\\0' $((i%10)) > /srv/data/$i; done"
    write(
        "big/IMAGES.yaml",
        "images:\n" + image("base", "//os:base", f'run: ["{fill}"]')
        + image("app", ":base", "files: [{path: /srv/conf, source: conf}]"))
    write("big/conf", "0\n")


def build(host, *arguments):
    subprocess.run(
        [str(REPOSITORY / ".build/release/dish"), "image", "build", *arguments], env=host.environment, cwd=WORKSPACE,
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def change_one_file(host):
    change_one_file.number += 1
    write("big/conf", f"{os.getpid()}-{change_one_file.number}\n")
    build(host, "//big:app")


change_one_file.number = 0


def eight(host, jobs):
    eight.number += 1
    text = f"{os.getpid()}-{eight.number}"
    write("eight/IMAGES.yaml", "images:\n" + "".join(image(f"i{n}", "//os:base", f'run: ["{WORK.format(text + str(n))}"]') for n in range(8)))
    build(host, *[f"//eight:i{n}" for n in range(8)], "-j", str(jobs))


eight.number = 0

host = Host()
host.dish("pool", "create", str(host.pool), "--size", "12G")
try:
    workspace()
    build(host, "//...")
    many = ["//os:base"] + [f"//many/t{n}:app" for n in range(19)]
    times = measure(
        {
            "nothing changed, 20 images": lambda: build(host, *many),
            "one file changed, on a parent of 600 MB": lambda: change_one_file(host),
        },
        RUNS,
    )
    report(f"build images, median of {RUNS}", times, "nothing changed, 20 images")
    times = measure({f"-j {jobs}": lambda jobs=jobs: eight(host, jobs) for jobs in (1, 2, 4)}, 5, warmup=1)
    medians = report("eight images that don't need each other, median of 5", times, "-j 1")
    print(f"  -j 2 is {medians['-j 1'] / medians['-j 2']:.2f} times as fast as -j 1")
finally:
    subprocess.run(["umount", str(host.pool)], check=False)
