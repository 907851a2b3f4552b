#!/usr/bin/env python3
"""One image, built with dish and with what else is installed of buildah and mkosi, from the same .deb files.

A Debian with systemd, nginx on it, and an application of one file. Cold: none of it is there but the packages. Then nothing
changed, and one file of the application changed.
"""

import os
import shutil
import subprocess

import debian_mirror
from host import HOME, PROGRAMS, Host
from side_by_side import measure, report

RUNS = int(os.environ.get("RUNS", "10"))
COLD_RUNS = int(os.environ.get("COLD_RUNS", "3"))
# Of what takes as long as a cold build whatever has changed.
SLOW_RUNS = int(os.environ.get("SLOW_RUNS", "2"))
SUITE = "bookworm"
# What debootstrap and mkosi install in any case.
BASE = ["ca-certificates", "dbus", "libpam-systemd", "systemd", "systemd-resolved", "systemd-sysv", "usr-is-merged"]
WEB = ["nginx-light", "curl"]
FOLDER = HOME / "builders"
MIRROR = FOLDER / "mirror"


def run(*command, **options):
    """Runs a command; what it prints is shown when it fails."""
    result = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{result.stdout[-4000:]}")
    return result.stdout


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class Builder:
    is_slow = False
    changes = 0

    def build_cold(self):
        self.build()


class Dish(Builder):
    """Three images, each on the one before."""

    LABELS = ["//app:app", "//web:web", "//os:base"]

    def __init__(self, host):
        self.host = host
        self.folder = FOLDER / "dish"
        write(self.folder / "WORKSPACE", "")
        base = f"base: {{debian: {{suite: {SUITE}}}}}\n    packages: [{', '.join(BASE)}]"
        write(self.folder / "os/IMAGES.yaml", f"images:\n  - name: base\n    {base}\n")
        write(self.folder / "web/IMAGES.yaml", f"images:\n  - name: web\n    parent: //os:base\n    packages: [{', '.join(WEB)}]\n")
        write(
            self.folder / "app/IMAGES.yaml",
            "images:\n  - name: app\n    parent: //web:web\n    files: [{path: /srv/conf, source: conf}]\n")
        self.change("first")
        self.dish("plan", "--vendor", FOLDER / "packages", "//app:app")

    def dish(self, *arguments):
        run(PROGRAMS / "dish", "image", *arguments, env=self.host.environment, cwd=self.folder)

    def change(self, text):
        write(self.folder / "app/conf", f"{text}\n")

    def forget(self):
        self.dish("build", "//app:app")
        self.dish("rm", *self.LABELS)
        run("btrfs", "filesystem", "sync", self.host.pool)

    def build(self):
        self.dish("build", "--locked", "//app:app")


class Buildah(Builder):
    """A base image made by debootstrap, as the public ones are, and a Dockerfile."""

    def __init__(self):
        self.folder = FOLDER / "buildah"
        store = FOLDER / "buildah-store"
        self.buildah = ["buildah", "--root", store / "root", "--runroot", store / "run", "--storage-driver", "overlay"]
        write(self.folder / "sources.list", f"deb [trusted=yes] file://{MIRROR} {SUITE} main\n")
        apt = "apt-get -qq -o Dir::Etc::sourcelist=/context/sources.list -o APT::Sandbox::User=root"
        write(
            self.folder / "Dockerfile",
            f"FROM localhost/base\nRUN --mount=type=bind,target=/context {apt} update && {apt} -y --no-install-recommends install "
            f"{' '.join(WEB)} && rm -rf /var/lib/apt/lists/*\nCOPY conf /srv/conf\n")
        self.change("first")

    def change(self, text):
        write(self.folder / "conf", f"{text}\n")

    def forget(self):
        run(*self.buildah, "rmi", "--all", "--force")

    def make_base(self):
        container = run(*self.buildah, "from", "scratch").strip()
        root = run(*self.buildah, "mount", container).strip()
        run(
            "debootstrap", "--variant=minbase", "--no-check-gpg", f"--include={','.join(BASE)}", SUITE, root,
            f"file://{MIRROR}")
        run(*self.buildah, "commit", "--rm", container, "localhost/base")

    def build(self):
        run(
            *self.buildah, "build", "--layers", "--isolation", "chroot", "--pull-never", "--volume", f"{MIRROR}:{MIRROR}:ro", "--tag",
            "localhost/app", self.folder)

    def build_cold(self):
        self.make_base()
        self.build()


class Mkosi(Builder):
    """One image, and the cache of the part that is made before the application's files come in.

    It doesn't look whether anything has changed: what is the least for it is to make the image anew from its cache.
    """

    is_slow = True

    def __init__(self):
        self.folder = FOLDER / "mkosi"
        self.change("first")
        self.common = [
            "mkosi", "--directory", self.folder, "--distribution", "debian", "--release", SUITE, "--format", "directory", "--force",
            "--bootable", "no", "--with-docs", "yes", "--repository-key-check", "no", "--local-mirror", f"file://{MIRROR}",
            "--extra-tree", self.folder / "extra", "--nspawn-keep-unit", "yes", "--package", ",".join(BASE + WEB),
        ]

    def change(self, text):
        write(self.folder / "extra/srv/conf", f"{text}\n")

    def forget(self):
        run(*self.common, "--force", "--incremental", "clean")

    def build(self):
        run(*self.common, "--incremental", "build")

    def build_cold(self):
        run(*self.common, "build")


def contestants(host):
    found = {"dish": Dish(host)}
    debian_mirror.make(MIRROR, FOLDER / "packages", SUITE)
    if shutil.which("buildah") and shutil.which("debootstrap"):
        found["buildah"] = Buildah()
    if shutil.which("mkosi") and SLOW_RUNS > 0:
        found["mkosi"] = Mkosi()
    return found


def change_and_build(builder):
    builder.changes += 1
    builder.change(f"{os.getpid()}-{builder.changes}")
    builder.build()


def compare(title, builders, body, **options):
    """All side by side, and what takes minutes less often and on its own."""
    quick = {name: builder for name, builder in builders.items() if not builder.is_slow}
    slow = {name: builder for name, builder in builders.items() if builder.is_slow}
    times = measure({name: lambda b=builder: body(b) for name, builder in quick.items()}, RUNS, **options)
    times |= measure({name: lambda b=builder: body(b) for name, builder in slow.items()}, SLOW_RUNS, warmup=0, **options)
    report(f"{title}, median of {RUNS}", times, "dish")


host = Host()
host.dish("pool", "create", str(host.pool), "--size", "12G")
try:
    builders = contestants(host)
    if COLD_RUNS > 0:
        times = measure(
            {name: builder.build_cold for name, builder in builders.items()}, COLD_RUNS, warmup=0, pause=1,
            prepare={name: builder.forget for name, builder in builders.items()})
        report(f"cold, all packages there, median of {COLD_RUNS}", times, "dish")
    for builder in builders.values():
        builder.build() if COLD_RUNS > 0 else builder.build_cold()
    compare("nothing changed", builders, lambda builder: builder.build())
    compare("one file changed", builders, change_and_build)
finally:
    subprocess.run(["umount", str(host.pool)], check=False)
