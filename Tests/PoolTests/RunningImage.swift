import Fixtures
import Linux

/// An image as other tools make them, of busybox: with content in `/run` and `/tmp`, files with capabilities, and a configuration that a
/// test chooses. Each is made by a script and imported; all share one layer.
struct RunningImage {
    let host: TestHost
    private let folder: String

    init(on host: TestHost) throws {
        self.host = host
        folder = try Scratch.make("running")
    }

    /// - Parameter configuration: `config` of the image's configuration, as JSON.
    func make(_ name: String, _ configuration: String = "{}") async throws {
        try Files.replace("\(folder)/make.py", with: Self.script.utf8, durable: false)
        let made = try await Command("/usr/bin/python3", ["\(folder)/make.py", "\(folder)/\(name)", configuration]).run()
        guard made.status.isSuccess else { throw FixtureError("make the image: \(made.errorText)") }
        let imported = try await host.dish("image", "import", "oci:\(folder)/\(name)", "--name", "\(name):1")
        guard imported.code == 0 else { throw FixtureError("import: \(imported)") }
    }

    private static let script = """
        import hashlib, io, json, os, struct, sys, tarfile
        folder, configuration = sys.argv[1:]
        os.makedirs(folder + "/blobs/sha256")
        archive = io.BytesIO()
        tar = tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT)
        def put(name, kind=tarfile.DIRTYPE, mode=0o755, owner=(0, 0), data=b"", link="", capabilities=None):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.linkname, member.size = kind, mode, link, len(data)
            member.uid, member.gid = owner
            if capabilities is not None:
                value = struct.pack("<IIIII", 0x02000001, capabilities, 0, 0, 0)
                member.pax_headers = {"SCHILY.xattr.security.capability": value.decode("latin1")}
            tar.addfile(member, io.BytesIO(data))
        busybox = open("/bin/busybox", "rb").read()
        for name in "bin", "etc", "root", "srv": put(name)
        put("bin/busybox", tarfile.REGTYPE, data=busybox)
        for name in "sh ls cat id pwd env sleep stat kill mkdir rm echo touch chmod tty grep dd ln true test sed od df".split():
            put("bin/" + name, tarfile.SYMTYPE, 0o777, link="busybox")
        for name, capabilities in ("raw", 1 << 13), ("bind", 1 << 10), ("admin", 1 << 21 | 1 << 13), ("chown", 1):
            put(name)
            put(name + "/busybox", tarfile.REGTYPE, data=busybox, capabilities=capabilities)
        put("etc/passwd", tarfile.REGTYPE, 0o644, data=b"root:x:0:0::/root:/bin/sh\\nkeeper:x:1000:1000::/srv:/bin/sh\\n")
        put("etc/group", tarfile.REGTYPE, 0o644, data=b"root:x:0:\\nkeeper:x:1000:\\nextra:x:2000:keeper\\n")
        put("tmp", mode=0o1777)
        put("tmp/entry", tarfile.REGTYPE, data=b"#!/bin/sh\\necho from tmp\\n")
        put("run")
        put("run/app", mode=0o750, owner=(1000, 2000))
        put("run/app/file", tarfile.REGTYPE, 0o640, (1000, 2000), b"from run\\n")
        put("var")
        put("var/run", tarfile.SYMTYPE, 0o777, link="/run")
        put("srv/data", mode=0o2750, owner=(1000, 2000))
        put("srv/data/file", tarfile.REGTYPE, 0o640, (1000, 2000), b"from the image\\n")
        put("srv/data/link", tarfile.SYMTYPE, 0o777, link="file")
        put("srv/empty", mode=0o700, owner=(1000, 1000))
        tar.close()
        def add(data, kind):
            digest = hashlib.sha256(data).hexdigest()
            open(folder + "/blobs/sha256/" + digest, "wb").write(data)
            return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": len(data)}
        layer = add(archive.getvalue(), "layer.v1.tar")
        config = add(json.dumps({"architecture": "amd64", "os": "linux", "config": json.loads(configuration),
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}).encode(), "config.v1+json")
        manifest = add(json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode(), "manifest.v1+json")
        json.dump({"schemaVersion": 2, "manifests": [manifest]}, open(folder + "/index.json", "w"))
        open(folder + "/oci-layout", "w").write('{"imageLayoutVersion": "1.0.0"}')
        """
}
