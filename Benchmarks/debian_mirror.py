"""A Debian archive on disk that has just some .deb files: every contestant installs the same packages, and none waits for a network."""

import hashlib
import subprocess

ARCHITECTURE = subprocess.run(["dpkg", "--print-architecture"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def make(folder, packages, suite):
    """Makes an archive of a folder of .deb files, which become its pool.

    It isn't signed: who reads it says so, as with `deb [trusted=yes]`.
    """
    pool = folder / "pool"
    index = folder / f"dists/{suite}/main/binary-{ARCHITECTURE}"
    for directory in (pool, index):
        directory.mkdir(parents=True, exist_ok=True)
    stanzas = []
    for package in sorted(packages.glob("*.deb")):
        copy = pool / package.name
        if not copy.exists():
            copy.hardlink_to(package)
        fields = subprocess.run(["dpkg-deb", "--field", package], check=True, stdout=subprocess.PIPE, text=True).stdout
        content = package.read_bytes()
        stanzas.append(
            f"{fields}Filename: pool/{package.name}\nSize: {len(content)}\nMD5sum: {hashlib.md5(content).hexdigest()}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n\n")
    listed = "".join(stanzas).encode()
    (index / "Packages").write_bytes(listed)
    (folder / f"dists/{suite}/Release").write_text(
        f"Suite: {suite}\nCodename: {suite}\nComponents: main\nArchitectures: {ARCHITECTURE}\n"
        f"SHA256:\n {hashlib.sha256(listed).hexdigest()} {len(listed)} main/binary-{ARCHITECTURE}/Packages\n")
