#!/usr/bin/env python3
"""Trees without the project's code: ids after docs/layer-format.md, a comparison of two trees, and nasty trees from a seed.

independent_trees.py id DIR             prints the layer id of a tree
independent_trees.py compare DIR OTHER  prints each difference of two trees, and fails when there is one
independent_trees.py make DIR SEED      makes a tree, or changes the one that is there
"""

import errno
import fcntl
import hashlib
import os
import random
import resource
import stat
import struct
import subprocess
import sys

BLOCK = 65536
# linux/fs.h, linux/btrfs.h, linux/btrfs_tree.h, linux/magic.h.
GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602
IMMUTABLE, APPEND, COMPRESS, NO_COPY = 0x10, 0x20, 0x4, 0x800000
TREE_SEARCH_V2, XATTR_ITEM = 0xC0709411, 24
PLACEHOLDER = 2


# Reading


def attribute_names(directory, name):
    path = f"/proc/self/fd/{directory}" + (f"/{os.fsdecode(name)}" if name else "")
    try:
        names = os.listxattr(path, follow_symlinks=not name)
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        names = stored_attribute_names(directory, os.stat(path, follow_symlinks=not name).st_ino)
    return path, sorted(os.fsencode(one) for one in names if not os.fsencode(one).startswith(b"btrfs."))


def stored_attribute_names(descriptor, inode):
    names, offset = [], 0
    while True:
        # struct btrfs_ioctl_search_key: tree, objects, offsets, transactions, types, items.
        key = struct.pack("<QQQQQQQIIII32x", 0, inode, inode, offset, 2**64 - 1, 0, 2**64 - 1, XATTR_ITEM, XATTR_ITEM, 2**32 - 1, 0)
        buffer = bytearray(key + struct.pack("<Q", 1 << 16) + bytes(1 << 16))
        fcntl.ioctl(descriptor, TREE_SEARCH_V2, buffer)
        count = struct.unpack_from("<I", buffer, 64)[0]
        if count == 0:
            return names
        position = len(key) + 8
        for _ in range(count):
            _, _, offset, _, length = struct.unpack_from("<QQQII", buffer, position)
            position += 32
            end, place = position + length, position
            while place < end:
                value, name = struct.unpack_from("<HH", buffer, place + 25)
                names.append(os.fsdecode(bytes(buffer[place + 30:place + 30 + name])))
                place += 30 + name + value
            position = end
        offset += 1


def attributes(directory, name):
    path, names = attribute_names(directory, name)
    return [(one, os.getxattr(path, one, follow_symlinks=not name)) for one in names]


def content(descriptor, size):
    """The digest of a file's content, and that of a run of blocks for each difference: holes are zeros."""
    plain, sparse, zeros, run = hashlib.sha256(), hashlib.sha256(), 0, 0
    isplain = True
    position = 0
    while position < size:
        try:
            data = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:
            data = size
        blocks = (min(data, size) - position) // BLOCK if data < size else -(-(size - position) // BLOCK)
        if blocks:
            zeros, run = zeros + blocks, run + blocks
            if zeros < 64:
                plain.update(bytes(min(blocks * BLOCK, size - position)))
            position = min(size, position + blocks * BLOCK)
            continue
        block = b""
        while len(block) < min(BLOCK, size - position):
            block += os.pread(descriptor, min(BLOCK, size - position) - len(block), position + len(block))
        if block.count(0) == len(block):
            zeros, run = zeros + 1, run + 1
        else:
            if run:
                sparse.update(b"\0" + struct.pack("<Q", run))
            run = 0
            sparse.update(b"\1" + block)
        if zeros < 64:
            plain.update(block)
        position += len(block)
    if run:
        sparse.update(b"\0" + struct.pack("<Q", run))
    return plain.digest() if zeros < 64 else hashlib.sha256(b"dish.sparse.1\0" + sparse.digest()).digest()


def walk(top):
    """Yields each node of a tree in order, then the end of each directory: (path, name, parent's descriptor, status or None)."""
    root = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    status = os.fstat(root)
    yield b"", b"", root, status
    levels = [(b"", root, sorted(map(os.fsencode, os.listdir(root)), reverse=True))]
    while levels:
        path, directory, names = levels[-1]
        if not names:
            yield path, None, directory, None
            os.close(directory)
            levels.pop()
            continue
        name = names.pop()
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        inner = path + (b"/" if path else b"") + name
        yield inner, name, directory, status
        if stat.S_ISDIR(status.st_mode):
            opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            isplace = status.st_ino == PLACEHOLDER
            levels.append((inner, opened, [] if isplace else sorted(map(os.fsencode, os.listdir(opened)), reverse=True)))


def node(path, name, directory, status, names):
    """A node's record but for the digest of a directory."""
    def text(value):
        return struct.pack("<I", len(value)) + value

    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFDIR and status.st_nlink > 1:
        first = names.setdefault((status.st_dev, status.st_ino), path)
        if first != path:
            return b"h" + text(first)
    if kind == stat.S_IFDIR and status.st_ino == PLACEHOLDER:
        return b"d" + struct.pack("<IIIqII", 0o755, 0, 0, 0, 0, 0)
    letter = {stat.S_IFREG: b"f", stat.S_IFDIR: b"d", stat.S_IFLNK: b"l", stat.S_IFCHR: b"c", stat.S_IFBLK: b"b", stat.S_IFIFO: b"p", stat.S_IFSOCK: b"s"}[kind]
    mode = 0o777 if letter == b"l" else stat.S_IMODE(status.st_mode)
    # Floor division: times may be before 1970.
    record = letter + struct.pack("<IIIqI", mode, status.st_uid, status.st_gid, status.st_mtime_ns // 10**9, status.st_mtime_ns % 10**9)
    found = attributes(directory, name)
    record += struct.pack("<I", len(found)) + b"".join(text(one) + text(value) for one, value in found)
    if letter == b"f":
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        record += struct.pack("<Q", status.st_size) + content(file, status.st_size)
        os.close(file)
    elif letter == b"l":
        record += text(os.readlink(name, dir_fd=directory))
    elif letter in b"cb":
        record += struct.pack("<II", os.major(status.st_rdev), os.minor(status.st_rdev))
    return record


def identity(top):
    names, levels = {}, []
    for path, name, directory, status in walk(top):
        if status is None:
            record, digest = levels.pop()
            record += digest.digest()
            if not levels:
                return hashlib.sha256(b"dish.layer.1\0" + record).hexdigest()
            levels[-1][1].update(record)
            continue
        record = node(path, name, directory, status, names)
        if name:
            record = struct.pack("<I", len(name)) + name + record
        if stat.S_ISDIR(status.st_mode):
            levels.append((record, hashlib.sha256(b"dish.tree.1\0")))
        else:
            levels[-1][1].update(record)


def listing(top):
    """All that can be seen of a tree, by path; names of one file have its first name."""
    names = {}
    return {path: node(path, name, directory, status, names) for path, name, directory, status in walk(top) if status is not None}


def compare(one, other):
    left, right = listing(one), listing(other)
    different = [path for path in sorted(left.keys() | right.keys()) if left.get(path) != right.get(path)]
    for path in different[:50]:
        print(f"/{os.fsdecode(path)[:200]!r}: {left.get(path, b'')[:60]!r} {right.get(path, b'')[:60]!r}")
    return different


# Making


class Maker:
    """Changes a tree at random; all that a tenant can do."""

    def __init__(self, top, seed):
        self.top, self.random = top, random.Random(seed)
        self.directories, self.files, self.others = [], [], []
        for path, name, directory, status in walk(top):
            if status is None or path.startswith(b"deep"):
                continue
            kind = stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFDIR and status.st_ino != PLACEHOLDER:
                self.directories.append(path)
            elif kind == stat.S_IFREG:
                self.files.append(path)
            elif kind != stat.S_IFDIR:
                self.others.append(path)

    def place(self, path):
        return os.path.join(os.fsencode(self.top), path) if path else os.fsencode(self.top)

    def new(self):
        directory = self.random.choice(self.directories)
        if len(directory) > 2000:
            directory = b""
        letters = self.random.choice([b"abc", b"\xff\xfe\x01", "é–𝄞".encode(), b" \n\t\"'\\*?", b"-."])
        name = bytes(self.random.choice(letters) for _ in range(self.random.choice([1, 3, 9, 200]))) + str(self.random.randrange(10**6)).encode()
        return os.path.join(directory, name)

    def bytes(self, most):
        size = self.random.choice([0, 1, 4095, 4096, 4097, self.random.randrange(most)])
        return b"".join(
            self.random.choice([bytes(4096), self.random.randbytes(4096), bytes([self.random.randrange(256)]) * 4096])
            for _ in range(size // 4096 + 1))[:size]

    def flags(self, path, value):
        try:
            descriptor = os.open(self.place(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return
        try:
            old = struct.unpack("<i", fcntl.ioctl(descriptor, GET_FLAGS, bytes(4)))[0]
            fcntl.ioctl(descriptor, SET_FLAGS, struct.pack("<i", old | value))
        except OSError:
            pass
        os.close(descriptor)

    def unprotect(self):
        for path in self.files + self.directories:
            try:
                descriptor = os.open(self.place(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
                old = struct.unpack("<i", fcntl.ioctl(descriptor, GET_FLAGS, bytes(4)))[0]
                if old & (IMMUTABLE | APPEND):
                    fcntl.ioctl(descriptor, SET_FLAGS, struct.pack("<i", old & ~(IMMUTABLE | APPEND)))
                os.close(descriptor)
            except OSError:
                pass

    def deep(self):
        """A chain of directories that no path reaches, with something at its end."""
        levels, name = self.random.choice([(300, b"d"), (90, b"directory" * 8), (260, b"x" * 18)])
        directory = os.open(self.top, os.O_RDONLY)
        for level in range(levels):
            one = b"deep" + name if level == 0 else name
            try:
                os.mkdir(one, dir_fd=directory)
            except FileExistsError:
                pass
            inner = os.open(one, os.O_RDONLY, dir_fd=directory)
            os.close(directory)
            directory = inner
        file = os.open(b"end", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640, dir_fd=directory)
        os.write(file, self.bytes(100_000))
        os.close(file)
        try:
            os.link(b"end", b"end-too", src_dir_fd=directory, dst_dir_fd=directory)
        except FileExistsError:
            pass
        os.close(directory)

    def step(self):
        chance, new = self.random.randrange(24), self.place(self.new())
        relative = os.path.relpath(new, os.fsencode(self.top))
        file = self.random.choice(self.files) if self.files else None
        if chance < 4 or file is None:
            with open(new, "wb") as opened:
                opened.write(self.bytes(400_000))
            self.files.append(relative)
        elif chance < 7:
            os.mkdir(new)
            self.directories.append(relative)
        elif chance == 7:
            os.symlink(self.random.choice([b"x", b"../../../../etc/passwd", b"y" * 4000]), new)
            self.others.append(relative)
        elif chance == 8:
            os.mkfifo(new)
            self.others.append(relative)
        elif chance == 9:
            os.mknod(new, stat.S_IFCHR | 0o620, os.makedev(1, self.random.choice([3, 5, 9])))
            self.others.append(relative)
        elif chance == 10:
            os.link(self.place(file), new)
            self.files.append(relative)
        elif chance == 11:
            os.unlink(self.place(file))
            self.files.remove(file)
        elif chance == 12:
            os.rename(self.place(file), new)
            self.files.remove(file)
            self.files.append(relative)
        elif chance == 13:
            os.chown(self.place(file), self.random.randrange(70000), self.random.randrange(9))
            os.chmod(self.place(file), self.random.randrange(0o10000))
        elif chance == 14:
            os.setxattr(self.place(file), self.random.choice(["user.a", "user.b", "trusted.c"]), self.random.randbytes(self.random.randrange(3000)))
        elif chance == 15:
            # A hole, of any length.
            with open(new, "wb") as opened:
                for _ in range(self.random.randrange(3)):
                    opened.seek(self.random.randrange(2**self.random.choice([20, 30, 50])))
                    opened.write(self.bytes(9000))
                opened.truncate(self.random.choice([2**63 - 1, 2**40, 5 << 20]))
            self.files.append(relative)
        elif chance == 16:
            with open(self.place(file), "r+b") as opened:
                opened.seek(self.random.randrange(100_000))
                opened.write(self.random.choice([self.bytes(30_000), bytes(20_000)]))
        elif chance == 17:
            os.truncate(self.place(file), self.random.randrange(200_000))
        elif chance == 18:
            # Files of this kind have no checksums, and share no data with others.
            self.flags(self.random.choice(self.directories), self.random.choice([NO_COPY, COMPRESS]))
        elif chance == 19:
            self.flags(file, self.random.choice([IMMUTABLE, APPEND, COMPRESS]))
        elif chance == 20:
            self.flags(self.random.choice(self.directories[1:] or [b""]), self.random.choice([IMMUTABLE, APPEND]))
        elif chance == 21:
            with open(self.place(file), "rb") as opened:
                data = opened.read(1 << 20)
            with open(new, "wb") as opened:
                opened.write(data)
            self.files.append(relative)
        elif chance == 22:
            subprocess.run(["btrfs", "-q", "subvolume", "create", new], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        else:
            os.utime(self.place(file), ns=(0, self.random.randrange(-2**60, 2**60)), follow_symlinks=False)

    def many_attributes(self):
        """More names than `listxattr` can list."""
        path = self.place(self.random.choice(self.files))
        for number in range(300):
            os.setxattr(path, f"user.{number}-".ljust(250, "n"), str(self.random.random()).encode())

    def run(self, steps=120):
        self.unprotect()
        self.deep()
        for _ in range(steps):
            try:
                self.step()
            except OSError:
                # What isn't possible here, such as a change of what has become immutable.
                pass
        try:
            self.many_attributes()
        except OSError as error:
            # Of what is immutable.
            if error.errno != errno.EPERM:
                raise


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    if sys.argv[1] == "id":
        print(identity(sys.argv[2]))
    elif sys.argv[1] == "compare":
        sys.exit(1 if compare(sys.argv[2], sys.argv[3]) else 0)
    else:
        Maker(sys.argv[2], int(sys.argv[3])).run()


main()
