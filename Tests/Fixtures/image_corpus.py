"""A corpus of small images, archives and registries' answers, as programs of many kinds write them: made here, none is anybody's.

image_corpus.py DIRECTORY PORT writes them and DIRECTORY/cases.json, which says of each where it is and what is to come of it;
image_corpus.py --serve DIRECTORY PORT answers for the registries.
"""
import bz2
import gzip
import hashlib
import http.server
import io
import json
import lzma
import os
import platform
import socketserver
import struct
import subprocess
import sys
import tarfile

serves = sys.argv[1] == "--serve"
directory, port = sys.argv[-2], int(sys.argv[-1])
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
OTHER = "s390x"
OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker.distribution."
TIME = 1700000000
cases, answers = [], {}


def sha(data):
    return hashlib.sha256(data).hexdigest()


# Entries of archives.
def entry(name, kind, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime, info.mode = kind, len(content), TIME, 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def f(name, content="", **fields):
    return entry(name, tarfile.REGTYPE, content.encode() if isinstance(content, str) else content, **fields)


def d(name, **fields):
    return entry(name, tarfile.DIRTYPE, mode=fields.pop("mode", 0o755), **fields)


def l(name, target, **fields):
    return entry(name, tarfile.SYMTYPE, linkname=target, mode=0o777, **fields)


def h(name, target):
    return entry(name, tarfile.LNKTYPE, linkname=target)


def node(name, kind, major, minor):
    return entry(name, kind, devmajor=major, devminor=minor)


def tar(entries, form=tarfile.PAX_FORMAT, pax=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, pax_headers=pax or {}, encoding="utf-8", errors="surrogateescape") as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def raw(name, content=b"", kind=b"0", magic=b"ustar\x0000", size=None, extra=()):
    """A header block of one's own, with its data."""
    block = bytearray(512)
    block[0:len(name)] = name
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124:136] = b"%011o\0" % (len(content) if size is None else size)
    block[136:148] = b"%011o\0" % TIME
    block[156:157] = kind
    block[257:265] = magic
    for offset, value in extra:
        block[offset:offset + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content + b"\0" * (-len(content) % 512)


END = b"\0" * 1024


def zst(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def skippable(size):
    return struct.pack("<II", 0x184D2A50 + size % 16, size) + b"s" * size


def gz(data):
    return gzip.compress(data, mtime=0)


# Images.
def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def describe(kind, data, **more):
    return {"mediaType": kind, "digest": "sha256:" + sha(data), "size": len(data), **more}


def config_of(layers, said=None, **config):
    made = {"architecture": ARCH, "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(x) for x in layers]}}
    made.update(said or {})
    return {key: value for key, value in made.items() if value != "absent"}


class Image:
    """Blobs of an image, and its manifest."""

    def __init__(self, layers, compress=gz, said=None, kind=OCI + "layer.v1.tar+gzip", docker=False, manifest=None, **config):
        self.plain = layers
        self.blobs = {}
        data = json.dumps(config_of(layers, said, **config)).encode()
        prefix = DOCKER + "container.image.v1+json" if docker else OCI + "config.v1+json"
        self.manifest = {
            "schemaVersion": 2, "mediaType": DOCKER + "manifest.v2+json" if docker else OCI + "manifest.v1+json",
            "config": self.add(prefix, data),
            "layers": [self.add(kind, (compress[i] if isinstance(compress, list) else compress)(x)) for i, x in enumerate(layers)],
        }
        self.manifest.update(manifest or {})
        self.bytes = json.dumps({k: v for k, v in self.manifest.items() if v != "absent"}).encode()

    def add(self, kind, data, **more):
        self.blobs[sha(data)] = data
        return describe(kind, data, **more)

    def descriptor(self, **more):
        return describe(self.manifest.get("mediaType") or OCI + "manifest.v1+json", self.bytes, **more)


def layout(name, image=None, index=None, blobs=None, tag=None):
    place = f"{directory}/{name}"
    blobs = dict(blobs or {})
    if image:
        blobs.update(image.blobs)
        blobs[sha(image.bytes)] = image.bytes
        more = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        index = index or {"schemaVersion": 2, "manifests": [image.descriptor(**more)]}
    for digest, data in blobs.items():
        write(f"{place}/blobs/sha256/{digest}", data)
    write(f"{place}/oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    write(f"{place}/index.json", json.dumps(index).encode())
    return f"oci:{place}" + (f":{tag}" if tag else "")


def case(name, source, **expected):
    cases.append({"name": name, "source": source, **expected})


def image(name, layers, fails=None, warns=None, same=None, tree=None, run=None, prints=None, code=None, padded=True, **options):
    # Zeros after an archive's end change nothing but its digest: each case is unpacked, though others have the same layers.
    if padded and fails is None:
        zeros = b"\0" * 512 * (len(cases) + 1)
        layers = [x + zeros if x and len(x) < 1 << 20 else x for x in layers]
    expected = {k: v for k, v in dict(fails=fails, warns=warns, same=same, tree=tree, run=run, prints=prints, code=code).items() if v is not None}
    case(name, layout(name, Image(layers, **options)), **expected)


def docker_archive(name, members, compress=None, **expected):
    data = tar(members)
    write(f"{directory}/{name}.tar", compress(data) if compress else data)
    case(name, f"docker-archive:{directory}/{name}.tar", **expected)


def make_archives(base, program):
    one = tar([d("a"), f("a/x", "x\n"), f("top", "top\n")])
    more = tar([f("a/y", "y\n")])
    empty = tar([])
    tree = {"a/x": "x\n", "a/y": "y\n", "top": "top\n"}
    pair = {"layers": [one, more], "tree": tree, "same": "plain"}
    # Compression.
    image("gzip", **pair)
    image("uncompressed", compress=lambda x: x, **pair)
    image("zstd", compress=zst, kind=OCI + "layer.v1.tar+zstd", **pair)
    image("xz", compress=lzma.compress, kind="application/octet-stream", **pair)
    image("bzip2", compress=bz2.compress, kind="application/octet-stream", **pair)
    image("mixed-compressions", compress=[zst, lambda x: x], **pair)
    image("wrong-media-types", compress=zst, kind=OCI + "layer.v1.tar+gzip", **pair)
    image("zstd-skippable-first", compress=lambda x: skippable(12) + zst(x), **pair)
    image("zstd-many-skippable", compress=lambda x: skippable(0) + skippable(300) + zst(x) + skippable(7), **pair)
    image("zstd-frames", compress=lambda x: zst(x[:700]) + zst(x[700:]), **pair)
    image("gzip-members", compress=lambda x: gz(x[:700]) + gz(b"") + gz(x[700:]), **pair)
    image("gzip-padded", compress=lambda x: gz(x) + b"\0" * 512, **pair)
    bad = tar([f("rubbish", "r" * 3000)])
    image("gzip-rubbish-after", [bad], compress=lambda x: gz(x) + b"rubbish", fails="gzip failed")
    image("gzip-short", [bad], compress=lambda x: gz(x)[:-20], fails="gzip failed: unexpected end of file")
    image("zstd-short", [bad], compress=lambda x: zst(x)[:-20], fails="zstd failed")
    image("wrong-diff-id", [bad], said={"rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha(b"x")]}}, fails="has the digest")
    # The same layers again, and those of nothing.
    image("same-layer-twice", [one, empty, more, empty], tree=tree, same="plain")
    image("same-layer-in-a-row", [one, one, more, more, one], tree=tree, same="plain")
    image("removed-and-back", [one, tar([f(".wh.a")]), one, more], tree=tree)
    image("no-bytes-at-all", [one, b"", more], tree=tree, same="plain", compress=lambda x: x)
    cut = one.rstrip(b"\0")
    image("no-end-mark", [cut + b"\0" * (-len(cut) % 512), more], tree=tree, same="plain", padded=False)
    image("rubbish-after-the-end", [one + b"rubbish" * 200, more], tree=tree, same="plain", padded=False)
    image("no-layers", [], Cmd=["/bin/x"])
    # Names and kinds.
    image("dot-slash", [tar([d("./"), d("./a"), f("./a/x", "x\n"), f("./top", "top\n")]), tar([f("./a/y", "y\n")])], tree=tree)
    image("absolute", [tar([d("/a"), f("//a/x", "x\n")])], tree={"a/x": "x\n"})
    image("no-directories", [tar([f("deep/er/x", "x")]), tar([d("deep", uid=7), f("deep/er/y", "y")])], tree={"deep/er/x": "x"})
    image("directory-after-its-content", [tar([f("a/x", "x"), d("a", mode=0o700)])], tree={"a/x": "x"})
    image("twice-in-one-archive", [tar([f("a", "1"), f("a", "2"), d("b"), f("b", "file")])], tree={"a": "2", "b": "file"})
    image("directory-becomes-file", [one, tar([f("a", "file")])], tree={"a": "file"})
    image("file-becomes-directory", [one, tar([d("top"), f("top/x", "x")])], tree={"top/x": "x"})
    image("directory-becomes-link", [one, tar([l("a", "/usr/a"), d("usr/a"), f("usr/a/z", "z")])], tree={"a": "@/usr/a"})
    image("through-a-link", [tar([d("usr/lib"), l("lib", "usr/lib")]), tar([f("lib/x", "x"), f("usr/lib/y", "y")])], tree={"usr/lib/x": "x", "lib": "@usr/lib"})
    image("links", [tar([l("loop", "loop"), l("out", "../../../etc"), l("none", "/no/thing"), f("out/kept", "k")])], tree={"etc/kept": None}, fails="open directory")
    image("links-that-lead-nowhere", [tar([l("loop", "loop"), l("out", "../../../etc"), l("none", "/no/thing")])], tree={"loop": "@loop"})
    image("hard-links", [tar([f("a", "a"), h("b", "a"), h("c", "./b")]), tar([h("d", "/a"), f("a", "new")])], tree={"a": "new", "d": "a", "c": "a"})
    image("hard-link-to-nothing", [tar([h("b", "a")])], fails="no file of the image")
    image("modes", [tar([f("su", "x", mode=0o4755), d("tmp", mode=0o1777), f("none", "x", mode=0), d("sg", mode=0o2775, gid=50)])])
    image("owners", [tar([f("a", "x", uid=1000, gid=2000), f("b", "x", uid=65535, gid=65534, uname="nobody", gname="no")])])
    image("owners-beyond", [tar([d("srv"), f("srv/a", "x", uid=100000), f("srv/b", "y", gid=70000), f("srv/c", "z", uid=3000000)])], warns="3 files belong to users or groups above 65535")
    image("one-owner-beyond", [tar([f("b", "y", gid=4000000000)])], warns="first: '/b', 0:4000000000")
    image("old-times", [tar([f("a", "x", mtime=-5), f("b", "x", mtime=0), f("c", "x", mtime=1.5), f("d", "x", mtime=1 << 34)])])
    image("devices", [tar([node("dev/null", tarfile.CHRTYPE, 1, 3), node("dev/sda", tarfile.BLKTYPE, 8, 0), node("dev/mem", tarfile.CHRTYPE, 1, 1), f("x", "x")])], warns="/dev/sda /dev/mem")
    image("fifos", [tar([entry("pipe", tarfile.FIFOTYPE, mode=0o620)])])
    long = "n" * 255
    deep = "/".join(["d" * 40] * 60) + "/x"
    image("long-names", [tar([f(long, "x"), f(deep, "x"), l("l", "t" * 3000)])], tree={long: "x", deep: "x"})
    image("long-names-gnu", [tar([f(long, "x"), f(deep, "x"), l("l", "t" * 3000)], tarfile.GNU_FORMAT)], tree={long: "x", deep: "x"})
    image("names-of-bytes", [tar([f("b\udcff\udcfe", "x"), f("blank and\nline", "y"), f("\u00e9", "z")])], tree={"blank and\nline": "y"})
    image("pax-global", [tar([f("a", "x")], pax={"comment": "0123456789abcdef", "SOME.key": "value"})], tree={"a": "x"})
    image("attributes", [tar([f("a", "x", pax_headers={"SCHILY.xattr.user.note": "kept", "SCHILY.xattr.security.selinux": "dropped"}), d("b", pax_headers={"SCHILY.xattr.user.dir": "1"})]), tar([d("b")])])
    capability = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0).decode("latin-1")
    if all(ord(c) < 128 for c in capability):
        image("capabilities", [tar([f("ping", "x", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": capability})])])
    image("v7", [raw(b"a", b"v7\n", kind=b"\0", magic=b"\0" * 8) + raw(b"dir/", kind=b"\0", magic=b"\0" * 8) + END], tree={"a": "v7\n"})
    sparse = raw(b"s", b"data" + b"\0" * 508, kind=b"S", magic=b"ustar  \0", size=512, extra=[(386, b"%011o\0" % (1 << 20)), (398, b"%011o\0" % 512), (483, b"%011o\0" % (2 << 20))])
    image("sparse-gnu", [sparse + END])
    record = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n22 GNU.sparse.name=holey\n31 GNU.sparse.realsize=4194304\n"
    record = b"".join(b"%d %s" % (len(x) + 3, x) for x in [b"GNU.sparse.major=1\n", b"GNU.sparse.minor=0\n", b"GNU.sparse.name=holey\n", b"GNU.sparse.realsize=4194304\n"])
    image("sparse-pax", [raw(b"x", record, kind=b"x") + raw(b"GNUSparseFile.0/holey", b"1\n1048576\n512\n".ljust(512, b"\0") + b"d" * 512) + END])
    # Whiteouts.
    lower = tar([d("a"), f("a/x", "ax"), f("a/y", "ay"), d("b"), f("b/x", "bx"), l("c", "b"), d("e/f/g"), f("e/f/g/z", "z")])
    image("whiteout-file", [lower, tar([f("a/.wh.x")])], tree={"a/x": None, "a/y": "ay"})
    image("whiteout-directory", [lower, tar([f(".wh.e"), f(".wh.nothing")])], tree={"e": None})
    for number, order in enumerate([[0, 1, 2], [2, 1, 0], [1, 0, 2]]):
        entries = [f("a/.wh..wh..opq"), f("a/new", "new"), d("a")]
        image(f"opaque-{number}", [lower, tar([entries[i] for i in order])], tree={"a/x": None, "a/new": "new"}, same="opaque")
        entries = [l("a", "b"), f("a/.wh.x"), f("n", "n")]
        image(f"whiteout-below-link-{number}", [lower, tar([entries[i] for i in order])], tree={"b/x": "bx", "a": "@b"}, same="below-link")
        entries = [f("e", "file"), f("e/.wh.f"), f("e/f/.wh.g")]
        image(f"whiteout-below-file-{number}", [lower, tar([entries[i] for i in order])], tree={"e": "file"}, same="below-file")
        entries = [f(".wh.c"), f("c/.wh.x"), f("n", "n")]
        image(f"whiteout-of-link-{number}", [lower, tar([entries[i] for i in order])], tree={"b/x": "bx", "c": None}, same="of-link")
        entries = [d("a"), f("a/x", "again"), f(".wh.a")]
        image(f"hidden-and-given-{number}", [lower, tar([entries[i] for i in order])], tree={"a/x": "again", "a/y": None}, same="hidden")
    image("whiteout-through-link", [lower, tar([f("c/.wh.x")])], tree={"b/x": None, "c": "@b"})
    image("aufs", [tar([d(".wh..wh.plnk"), f(".wh..wh.plnk/9.1", "linked"), h("one", ".wh..wh.plnk/9.1"), h("two", ".wh..wh.plnk/9.1"), d(".wh..wh.orph"), f(".wh..wh.aufs"), f(".wh..wh.orph/x", "x")])], tree={"one": "linked", "two": "linked", ".wh..wh.plnk": None})
    image("whiteout-of-nothing", [tar([f(".wh.")])], fails="a whiteout of")
    image("below-a-whiteout", [tar([f(".wh.a/b", "x")])], fails="means a removal")
    image("way-out", [tar([f("../../x", "x")])], fails="leads out of the image")
    # Archives of docker save.
    config = json.dumps(config_of([one, more])).encode()
    def manifest(layers, tags=("app:1",)):
        return f("manifest.json", json.dumps([{"Config": "c.json", "RepoTags": list(tags), "Layers": layers}]))
    members = [f("c.json", config), f("1/layer.tar", one), f("2/layer.tar", more), manifest(["1/layer.tar", "2/layer.tar"])]
    docker_archive("docker-archive", members, same="plain", tree=tree)
    docker_archive("docker-archive-gzip", members, gz, same="plain", tree=tree)
    docker_archive("docker-archive-zstd", members, lambda x: skippable(4) + zst(x), same="plain", tree=tree)
    docker_archive("docker-archive-links", [f("c.json", config), f("blob", one), l("1/layer.tar", "../blob"), f("2/layer.tar", gz(more)), manifest(["1/layer.tar", "2/layer.tar"])], same="plain", tree=tree)
    docker_archive("docker-archive-appended", [f("c.json", "old"), f("1/layer.tar", one)] + [f("c.json", config), f("2/layer.tar", more), manifest(["1/layer.tar", "2/layer.tar"])], same="plain", tree=tree)
    twice = json.dumps(config_of([one, more, one])).encode()
    docker_archive("docker-archive-same-layer", [f("c.json", twice), f("1.tar", one), f("2.tar", more), manifest(["1.tar", "2.tar", "1.tar"])], same="plain", tree=tree)
    docker_archive("docker-archive-bad-json", [f("c.json", '{"rootfs": 5}'), f("1.tar", one), manifest(["1.tar"])], fails="rootfs: it has to be an object")


def make_documents(base, program):
    one = tar([f("a", "x\n")])
    tree = {"a": "x\n"}
    for name, said in [
        ("no-architecture", {"architecture": "absent"}), ("no-os", {"os": "absent"}), ("neither", {"architecture": "absent", "os": "absent", "config": "absent"}),
        ("empty-platform", {"architecture": "", "os": ""}), ("kernel-name", {"architecture": platform.machine(), "os": "Linux"}),
        ("no-rootfs-type", {"rootfs": {"diff_ids": ["sha256:" + sha(one)]}}), ("null-config", {"config": None, "history": None}),
        ("odd-history", {"history": [{"created": 5}], "created": False}),
    ]:
        image(f"config-{name}", [one], said=said, tree=tree, same="one", padded="rootfs" not in said)
    image("config-other-machine", [one], said={"architecture": OTHER}, fails=f"is made for linux/{OTHER}")
    image("config-other-system", [one], said={"os": "windows"}, fails="is made for windows")
    image("config-far-variant", [one], said={"variant": "v98"}, fails="with a processor of")
    image("config-no-rootfs", [one], said={"rootfs": "absent"}, fails="rootfs: it is missing")
    image("config-bad-digest", [one], said={"rootfs": {"diff_ids": ["md5:1"]}}, fails="is not the SHA-256")
    image("config-odd-values", [one], Volumes={"/data": None}, ExposedPorts={"80/tcp": {}}, Cmd="/bin/x", Labels=None, Entrypoint=None)
    image("too-few-digests", [one, one], said={"rootfs": {"diff_ids": ["sha256:" + sha(one)]}}, fails="2 layers and 1 digests")
    image("docker-types", [one], docker=True, kind="application/vnd.docker.image.rootfs.diff.tar.gzip", tree=tree, same="one")
    image("manifest-without-type", [one], manifest={"mediaType": "absent", "schemaVersion": "absent"}, tree=tree, same="one")
    image("manifest-null-layers", [], manifest={"layers": None}, Cmd=["/x"])
    image("manifest-no-config", [one], manifest={"config": "absent"}, fails="config: it is missing")
    image("manifest-two-things", [one], manifest={"manifests": []}, fails="one image for some programs and another for others")
    image("manifest-bad-size", [one], manifest={"layers": [{"digest": "sha256:" + sha(one), "size": "7"}]}, fails="size: it has to be a whole number")

    def index_case(name, entries, blobs, nested=False, **expected):
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": entries}
        data = json.dumps(index).encode()
        top = {"schemaVersion": 2, "manifests": [describe(OCI + "index.v1+json", data)]}
        case(name, layout(name, None, top, {**blobs, sha(data): data}), **expected)

    good, bad = Image([one]), Image([tar([f("bad", "bad")])])
    blobs = {**good.blobs, **bad.blobs, sha(good.bytes): good.bytes, sha(bad.bytes): bad.bytes}
    def at(image, architecture=ARCH, os="linux", **more):
        return image.descriptor(platform={"architecture": architecture, "os": os, **more})
    expected = dict(tree=tree, same="one")
    index_case("index", [at(bad, OTHER), at(good)], blobs, **expected)
    index_case("index-far-variants", [at(bad, variant="v97"), at(bad, variant="v98"), at(good), at(bad, variant="odd")], blobs, **expected)
    index_case("index-any", [at(bad, OTHER), good.descriptor()], blobs, **expected)
    index_case("index-empty-platform", [at(bad, OTHER), good.descriptor(platform={})], blobs, **expected)
    index_case("index-attestation", [bad.descriptor(platform={"architecture": "unknown", "os": "unknown"}, annotations={"vnd.docker.reference.type": "attestation-manifest"}), at(good)], blobs, **expected)
    index_case("index-only-far", [at(bad, variant="v98")], blobs, fails="/v98")
    index_case("index-none", [at(bad, OTHER)], blobs, fails=f"only for linux/{OTHER}")
    index_case("index-of-nothing", [], blobs, fails="only for nothing")
    inner = json.dumps({"schemaVersion": 2, "manifests": [at(good)]}).encode()
    index_case("index-in-index", [describe("text/plain", inner)], {**blobs, sha(inner): inner}, **expected)
    case("layout-of-platforms", layout("layout-of-platforms", None, {"schemaVersion": 2, "manifests": [at(bad, OTHER), at(good)]}, blobs), **expected)
    case("layout-by-tag", layout("layout-by-tag", good, tag="v1"), **expected)
    case("layout-no-such-tag", layout("layout-by-tag", good, tag="v1") + "x", fails="it has v1")
    case("layout-missing-blob", layout("layout-missing-blob", None, {"schemaVersion": 2, "manifests": [good.descriptor()]}), fails="there is no image 'sha256:")
    case("layout-is-list", layout("layout-is-list", None, [5]), fails="it has to be an object")


def make_registries(base, program):
    one = tar([f("a", "x\n")])
    good, bad = Image([one]), Image([tar([f("bad", "bad")])])
    twice = Image([base, one, tar([]), one], Cmd=["/bin/sh", "-c", "cat /a"])
    platforms = {"schemaVersion": 2, "mediaType": DOCKER + "manifest.list.v2+json", "manifests": [
        bad.descriptor(platform={"architecture": OTHER, "os": "linux"}), good.descriptor(platform={"architecture": ARCH, "os": "linux"})]}
    index = json.dumps(platforms).encode()

    def answer(path, data, *headers, status=200):
        name = "answers/" + sha(data)
        write(f"{directory}/{name}", data)
        answers[path] = {"status": status, "headers": headers, "file": name}

    def repository(name, top, images, *headers, status=200, **expected):
        answer(f"/v2/{name}/manifests/1", top, *headers, status=status)
        for one in images:
            answer(f"/v2/{name}/manifests/sha256:{sha(one.bytes)}", one.bytes, *headers)
            for digest, data in one.blobs.items():
                answer(f"/v2/{name}/blobs/sha256:{digest}", data)
        case(name.replace("/", "-"), f"docker://127.0.0.1:{port}/{name}:1", **expected)

    expected = dict(tree={"a": "x\n"}, same="one")
    for name, headers in [
        ("text-plain", [("Content-Type", "text/plain; charset=utf-8")]), ("no-type", []),
        ("octets", [("Content-Type", "application/octet-stream")]), ("wrong-type", [("Content-Type", OCI + "manifest.v1+json")]),
        ("parameters", [("Content-Type", DOCKER + "manifest.list.v2+json;charset=UTF-8 ; x=y")]), ("capitals", [("content-type", (DOCKER + "manifest.list.v2+json").upper())]),
    ]:
        repository(f"index-{name}", index, [good, bad], *headers, **expected)
        repository(f"image-{name}", good.bytes, [good], *headers, **expected)
    repository("layer-twice", twice.bytes, [twice], run=[], prints="x\n", tree={"a": "x\n"})
    html = b"<html><body>Sign in to continue</body></html>"
    repository("html", html, [], ("Content-Type", "text/html"), fails="it is no valid JSON")
    repository("error-body", b'{"errors": [{"code": "DENIED", "message": "no"}]}', [], status=403, fails="forbids it")
    repository("nothing", b"", [], fails="it is no valid JSON")
    repository("null", b"null", [], fails="is not what it is called")
    repository("schema-1", b'{"schemaVersion": 1, "name": "x", "fsLayers": [], "history": []}', [], ("Content-Type", DOCKER + "manifest.v1+prettyjws"), fails="schema 1")
    realm = f'Bearer realm="http://127.0.0.1:{port}/token",service="a, b",scope="repository:x:pull"'
    for name, fields in [
        ("auth-both", [f'Basic realm="x, Bearer y", {realm}']), ("auth-reversed", [realm + ", Basic"]),
        ("auth-fields", ["Negotiate", 'Basic realm="x"', realm]), ("auth-token", [f"Negotiate YII==, {realm}"]),
    ]:
        repository(name, good.bytes, [good], **expected)
        answers[name] = {"challenges": fields}


def make_trees(base, program):
    entries = [d("etc"), f("etc/x", "x\n", mode=0o640, uid=5), h("hard", "etc/x"), l("link", "etc/x"), d("empty", mode=0o700)]
    data = tar([d(".", mode=0o755)] + entries)
    for name, compress in [("plain", lambda x: x), ("gz", gz), ("xz", lzma.compress), ("zst", lambda x: skippable(3) + zst(x)), ("bz2", bz2.compress)]:
        write(f"{directory}/root.{name}", compress(data))
        case(f"tar-{name}", f"tar:{directory}/root.{name}", same="tree", tree={"etc/x": "x\n", "hard": "x\n", "link": "@etc/x"})
    write(f"{directory}/text", b"this is no archive, whatever it is called" * 100)
    case("tar-text", f"tar:{directory}/text", fails="header")
    case("tar-nothing-there", f"tar:{directory}/none", fails="No such file")
    case("tar-directory", f"tar:{directory}", fails="no regular file")
    case("dir-nothing-there", f"dir:{directory}/none", fails="No such file")
    case("dir-file", f"dir:{directory}/text", fails="is no directory")
    case("subvolume-none", f"subvolume:{directory}", fails="is no Btrfs subvolume")
    case("stream-none", f"stream:{directory}/text", fails="this is no Btrfs send stream")
    case("no-place", "stream:", fails="names no place")


def make_programs(base, program):
    """Images that run: what a program sees of them."""
    image("run-shell", [base], Entrypoint=["/bin/sh", "-c"], Cmd=["echo entry"], run=[], prints="entry\n")
    image("run-command-text", [base], Cmd="/bin/env", Env=["A=1"], run=["/bin/echo", "given"], prints="given\n")
    image("run-exit-code", [base], Cmd=["/bin/sh", "-c", "echo out; exit 7"], run=[], prints="out\n", code=7)
    image("run-user", [base, tar([f("own", "mine\n", uid=1000, mode=0o600)])], User="1000:1000", Cmd=["/bin/cat", "/own"], run=[], prints="mine\n")
    image("run-whiteouts", [base, tar([d("srv"), f("srv/old", "o"), f("srv/kept", "k")]), tar([f("srv/.wh.old"), f("srv/new", "n")])], Cmd=["/bin/ls", "/srv"], run=[], prints="kept\nnew\n")
    image("run-same-layers", [base, tar([f("data", "d\n")]), base, tar([]), tar([f("data", "d\n")])], Cmd=["/bin/cat", "/data"], run=[], prints="d\n")
    image("run-zstd", [base], compress=lambda x: skippable(5) + zst(x), Cmd=["/bin/echo", "zstd"], run=[], prints="zstd\n")
    image("run-no-platform", [base], said={"architecture": "absent", "os": "absent"}, Cmd=["/bin/echo", "any"], run=[], prints="any\n")
    write(f"{directory}/program.tar.xz", lzma.compress(base))
    case("run-tarball", f"tar:{directory}/program.tar.xz", run=["/bin/echo", "tarball"], prints="tarball\n")


def main():
    with open("/bin/busybox", "rb") as file:
        program = file.read()
    names = ["sh", "ls", "cat", "echo", "env", "true"]
    base = tar([d("bin"), f("bin/busybox", program, mode=0o755)] + [l(f"bin/{name}", "busybox") for name in names] + [d("tmp", mode=0o1777)])
    for make in (make_archives, make_documents, make_registries, make_trees, make_programs):
        make(base, program)
    with open(f"{directory}/answers.json", "w") as file:
        json.dump(answers, file)
    with open(f"{directory}/cases.json", "w") as file:
        json.dump(cases, file, indent=1)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def reply(self, status, body=b"", headers=()):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/v2/":
            return self.reply(200)
        if path == "/token":
            return self.reply(200, b'{"access_token": "corpus"}')
        gate = self.answers.get(path.split("/")[2] if path.count("/") > 2 else "", {}).get("challenges")
        if gate and self.headers.get("Authorization") != "Bearer corpus":
            return self.reply(401, b"", [("WWW-Authenticate", field) for field in gate])
        found = self.answers.get(path)
        if not found:
            return self.reply(404)
        with open(f"{directory}/{found['file']}", "rb") as file:
            return self.reply(found["status"], file.read(), found["headers"])

    do_HEAD = do_GET


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments):
        pass


if serves:
    with open(f"{directory}/answers.json") as file:
        Handler.answers = json.load(file)
    Server(("127.0.0.1", port), Handler).serve_forever()
else:
    main()
