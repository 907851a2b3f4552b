import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension Registries {
    /// Images that Podman and skopeo made, taken and run here.
    @Suite struct OCICompatibilityTests {
        /// Podman with a store of its own, and an image that it builds from busybox.
        private struct Podman {
            let folder: String

            init() throws { folder = try Scratch.make("podman") }

            func run(_ script: String) async throws -> String {
                let prologue = """
                    cd \(folder)
                    podman() {
                        command podman --root \(folder)/store --runroot \(folder)/run --storage-driver vfs --runtime runc \\
                            --cgroup-manager cgroupfs --events-backend file "$@"
                    }

                    """
                let result = try await Command("/bin/sh", ["-ec", prologue + script]).run()
                guard result.status.isSuccess else { throw FixtureError("\(script): \(result.text)\(result.errorText)") }
                return result.text
            }

            /// `app:1`: two layers on a base; the upper one hides what the lower one has.
            func build() async throws {
                _ = try await run(
                    """
                    mkdir -p root/bin root/etc root/tmp context && cp /bin/busybox root/bin
                    for name in sh ls cat id pwd env sleep; do ln -s busybox root/bin/$name; done
                    printf 'root:x:0:0::/root:/bin/sh\\nkeeper:x:1000:1000::/srv:/bin/sh\\n' > root/etc/passwd
                    printf 'root:x:0:\\nkeeper:x:1000:\\nextra:x:2000:keeper\\n' > root/etc/group
                    tar -C root -c . | podman import - base:1
                    cat > context/Containerfile <<'END'
                    FROM localhost/base:1
                    RUN busybox mkdir -p /srv/dir && echo old > /srv/dir/old && echo x > /srv/gone && busybox ln /srv/gone /srv/hard
                    RUN busybox rm -r /srv/dir && busybox mkdir /srv/dir && echo new > /srv/dir/new && busybox rm /srv/gone
                    ENV GREETING="hello there"
                    USER keeper
                    WORKDIR /made/up
                    STOPSIGNAL SIGUSR1
                    ENTRYPOINT ["/bin/sh", "-c"]
                    CMD ["pwd; id -u; id -g; id -G; echo $GREETING, $HOME, $USER; ls /srv /srv/dir; cat /srv/hard"]
                    END
                    podman build --layers --isolation chroot --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 -t app:1 context
                    """)
            }

            /// From the layout `layout` the same image in `zstd`, with its layers compressed so.
            func recompress() async throws {
                _ = try await run(
                    """
                    python3 - <<'END'
                    import gzip, hashlib, json, os, shutil, subprocess
                    shutil.copytree("layout", "zstd")
                    def add(data):
                        digest = hashlib.sha256(data).hexdigest()
                        open("zstd/blobs/sha256/" + digest, "wb").write(data)
                        return {"digest": "sha256:" + digest, "size": len(data)}
                    index = json.load(open("zstd/index.json"))
                    named = index["manifests"][0]
                    manifest = json.load(open("zstd/blobs/sha256/" + named["digest"].split(":")[1]))
                    for layer in manifest["layers"]:
                        path = "zstd/blobs/sha256/" + layer["digest"].split(":")[1]
                        plain = gzip.decompress(open(path, "rb").read())
                        os.unlink(path)
                        layer.update(add(subprocess.run(["zstd", "-c"], input=plain, stdout=subprocess.PIPE, check=True).stdout))
                        layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd"
                    named.update(add(json.dumps(manifest).encode()))
                    json.dump(index, open("zstd/index.json", "w"))
                    END
                    """)
            }

            static let expected =
                "/made/up\n1000\n1000\n1000 2000\nhello there, /srv, keeper\n/srv:\ndir\nhard\n\n/srv/dir:\nnew\nx\n"
        }

        @Test func whatPodmanPushesRunsHere() async throws {
            try await withHosts { hosts in
                let (podman, host) = (try Podman(), hosts.receiver)
                try await podman.build()
                let registry = hosts.registry.host
                _ = try await podman.run(
                    """
                    podman push --tls-verify=false app:1 \(registry)/team/app:gzip
                    podman push --tls-verify=false --format v2s2 app:1 \(registry)/team/app:docker
                    podman push -q app:1 oci:layout:app
                    """)
                try await podman.recompress()
                _ = try await podman.run("skopeo copy -q --dest-tls-verify=false oci:zstd:app docker://\(registry)/team/app:zstd")
                let zstd = try await podman.run("skopeo inspect --raw --tls-verify=false docker://\(registry)/team/app:zstd")
                #expect(zstd.contains("tar+zstd"), "\(zstd)")
                try await host.withAgent { _ in
                    for tag in ["gzip", "zstd", "docker"] {
                        let run = try await host.dish("run", "--rm", "--network", "none", "docker://\(registry)/team/app:\(tag)")
                        #expect(run.code == 0 && run.output == Podman.expected, "\(tag): \(run)")
                    }
                    // The same layers, however they were compressed.
                    let ids = try ["gzip", "zstd", "docker"].map {
                        try hosts.receiverPool.resolve("\(registry)/team/app:\($0)").id
                    }
                    #expect(Set(ids).count == 1)
                    let image = "\(registry)/team/app:gzip"
                    for (user, ids) in [
                        ("0", "0 0"), ("1000:2000", "1000 2000"), ("1234", "1234 0"), ("keeper:extra", "1000 2000"),
                    ] {
                        let run = try await host.dish(
                            "run", "--rm", "--network", "none", "--user", user, image, "--", "/bin/sh", "-c",
                            "echo $(id -u) $(id -g)")
                        #expect(run.text == ids, "\(user): \(run)")
                    }
                    let unknown = try await host.dish("run", "--rm", "--user", "nobody", image, "--", "/bin/true")
                    #expect(unknown.code == 1 && unknown.errors.contains("no user 'nobody'"), "\(unknown)")
                    let found = try await host.dish("run", "--rm", "--network", "none", image, "--", "id", "-un")
                    #expect(found.text == "keeper", "a program is found in the image's PATH: \(found)")
                    let missing = try await host.dish("run", "--rm", "--network", "none", image, "--", "no-such-program")
                    #expect(missing.code == 1 && missing.errors.contains("no 'no-such-program' in the image"), "\(missing)")
                }
            }
        }

        @Test func theStopSignalOfTheImageIsWhatATaskGets() async throws {
            try await withHosts { hosts in
                let (podman, host) = (try Podman(), hosts.receiver)
                try await podman.build()
                _ = try await podman.run("podman push --tls-verify=false app:1 \(hosts.registry.host)/team/app:1")
                try await host.withAgent { _ in
                    let script = "trap 'echo got it; exit 7' USR1; echo ready; while :; do sleep 0.1; done"
                    let started = try await host.dish(
                        "run", "--name", "waiting", "--detach", "--network", "none", "docker://\(hosts.registry.host)/team/app:1",
                        "--", "/bin/sh", "-c", script)
                    try #require(started.code == 0, "\(started)")
                    for _ in 0..<100 where try await !host.dish("logs", "waiting").output.contains("ready") {
                        try await Task.sleep(for: .milliseconds(50))
                    }
                    // What is in a running task's root becomes an image, and the task goes on.
                    let written = try await host.dish("exec", "waiting", "--", "/bin/sh", "-c", "echo kept > /srv/kept")
                    #expect(written.code == 0, "\(written)")
                    let committed = try await host.dish("commit", "waiting", "app:running")
                    #expect(committed.code == 0, "\(committed)")
                    #expect(try await host.dish("ps").output.contains("running"))
                    #expect(try await host.dish("stop", "waiting").code == 0)
                    let inspected = try await host.dish("inspect", "waiting")
                    #expect(inspected.output.contains(#""code" : 7"#), "\(inspected)")
                    #expect(try await host.dish("logs", "waiting").output.contains("got it"))
                    #expect(try await host.dish("commit", "waiting", "app:stopped").code == 0)
                    let (running, stopped) = (
                        try hosts.receiverPool.resolve("app:running"), try hosts.receiverPool.resolve("app:stopped")
                    )
                    #expect(running.id == stopped.id, "nothing was written in between")
                    #expect(try Files.readText("\(hosts.receiverPool.root(of: running.id))/srv/kept") == "kept\n")
                    // It is still the image that it was: its user, its directory, its command.
                    let again = try await host.dish("run", "--rm", "--network", "none", "app:running")
                    #expect(
                        again.code == 0 && again.output.hasPrefix("/made/up\n1000\n") && again.output.contains("kept"), "\(again)"
                    )
                }
            }
        }

        @Test func archivesOfSeveralProgramsAreTaken() async throws {
            try await withHosts { hosts in
                let (podman, host) = (try Podman(), hosts.receiver)
                try await podman.build()
                // Podman's has links where older ones of Docker have the layers; Docker's since 25 are OCI layouts with a manifest.json.
                _ = try await podman.run(
                    """
                    podman save -q --format docker-archive -o podman.tar app:1
                    podman push -q app:1 oci:layout:app
                    skopeo copy -q oci:layout:app docker-archive:skopeo.tar:app:1
                    python3 - <<'END'
                    import json
                    manifest = json.load(open("layout/index.json"))["manifests"][0]["digest"].split(":")[1]
                    blob = lambda d: "blobs/sha256/" + d["digest"].split(":")[1]
                    content = json.load(open("layout/blobs/sha256/" + manifest))
                    entry = {"Config": blob(content["config"]), "RepoTags": ["app:1"], "Layers": [blob(l) for l in content["layers"]]}
                    json.dump([entry], open("layout/manifest.json", "w"))
                    END
                    tar -C layout -cf docker.tar . && gzip -k podman.tar
                    """)
                try await podman.recompress()
                var ids: Set<String> = []
                let sources = ["podman.tar", "podman.tar.gz", "skopeo.tar", "docker.tar"].map {
                    "docker-archive:\(podman.folder)/\($0)"
                }
                for (number, source) in (sources + ["oci:\(podman.folder)/layout:app", "oci:\(podman.folder)/zstd:app"])
                    .enumerated()
                {
                    let imported = try await host.dish("image", "import", source, "--name", "app:\(number)")
                    try #require(imported.code == 0, "\(source): \(imported)")
                    ids.insert(try hosts.receiverPool.resolve("app:\(number)").id.hex)
                }
                #expect(ids.count == 1)
                let root = hosts.receiverPool.root(of: try hosts.receiverPool.resolve("app:0").id)
                #expect(try Files.list("\(root)/srv") == ["dir", "hard"] && Files.list("\(root)/srv/dir") == ["new"])
                // And back: what Podman runs of it says the same.
                #expect(try await host.dish("image", "export", "app:0", "oci:\(podman.folder)/back:app").code == 0)
                let run = try await podman.run(
                    "podman run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 oci:back:app")
                #expect(run == Podman.expected.replacing(", keeper", with: ","), "Podman sets no USER: \(run)")
            }
        }

        @Test func anArchiveThatLiesIsRefused() async throws {
            try await withHosts { hosts in
                let podman = try Podman()
                _ = try await podman.run(
                    """
                    mkdir tree && echo x > tree/x && tar -cf layer.tar tree
                    digest=$(sha256sum layer.tar | cut -d' ' -f1)
                    config() { printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}' "$1" "$2" > config.json; }
                    pack() { printf "$2" > manifest.json; tar -cf $1.tar manifest.json config.json layer.tar; }
                    entry='{"Config":"config.json","RepoTags":["x:1"],"Layers":["layer.tar"]}'
                    config amd64 "\\"sha256:$digest\\",\\"sha256:$digest\\""; pack count "[$entry]"
                    config amd64 "\\"sha256:$(echo | sha256sum | cut -d' ' -f1)\\""; pack digest "[$entry]"
                    config sparc "\\"sha256:$digest\\""; pack machine "[$entry]"
                    config amd64 "\\"sha256:$digest\\""; pack two "[$entry,$entry]"; pack none '[]'; pack json '{'
                    pack missing '[{"Config":"other.json","Layers":[]}]'; pack way-out '[{"Config":"../../../etc/passwd","Layers":[]}]'
                    head -c 2000 digest.tar > cut.tar; echo text > text.tar; : > empty.tar
                    truncate -s 5M config.json; pack large "[$entry]"
                    """)
                let words = [
                    "count": "1 layers and 2 digests", "digest": "has the digest", "machine": "is made for linux/sparc",
                    "two": "2 images", "none": "0 images", "json": "not what it is called", "missing": "there is no 'other.json'",
                    "way-out": "there is no '../../../etc/passwd'", "cut": "ends within", "text": "ends within",
                    "empty": "there is no 'manifest.json'", "large": "too large",
                ]
                for (name, word) in words {
                    let imported = try await hosts.receiver.dish("image", "import", "docker-archive:\(podman.folder)/\(name).tar")
                    #expect(imported.code == 1 && imported.errors.contains(word), "\(name): \(imported)")
                }
                #expect(try hosts.receiverPool.allLayers().isEmpty && Files.list("\(hosts.receiverPool.path)/staging") == [])
            }
        }

        @Test func whatARunningPullHasIsNotCollected() async throws {
            try await withHosts { hosts in
                for version in 1...2 {
                    try await build(hosts.sender, version: version, megabytes: 2)
                    let pushed = try await hosts.sender.dish("image", "push", "//app:app", "\(hosts.registry.host)/app:latest")
                    try #require(pushed.code == 0, "\(pushed)")
                    if version == 1 {
                        #expect(try await hosts.receiver.dish("image", "pull", "\(hosts.registry.host)/app:latest").code == 0)
                    }
                }
                let proxy = try await FaultyProxy(to: hosts.registry.host)
                let reference = "\(proxy.host)/app:latest"
                let pool = hosts.receiverPool
                let before = try pool.allLayers().count
                for isKilled in [true, false] {
                    try proxy.spoil(["none", "stall"])
                    let pid = try hosts.receiver.start("image", "pull", reference, "--stall-timeout", "6")
                    for _ in 0..<200 where proxy.left != "" { try await Task.sleep(for: .milliseconds(25)) }
                    try await Task.sleep(for: .milliseconds(300))
                    // The base, which it has found, and the older layer, which the delta is against.
                    #expect(try await hosts.receiver.dish("image", "gc", "--age", "0", "--all").text == "")
                    #expect(try pool.allLayers().count == before)
                    #expect(try Files.list("\(pool.cache)/blobs").contains { $0.hasSuffix(".partial") })
                    let removed = try await hosts.receiver.dish("image", "rm", "\(hosts.registry.host)/app:latest")
                    #expect(removed.code == 1 && removed.errors.contains("by a pull"), "\(removed)")
                    if isKilled { kill(pid, SIGKILL) }
                    var status: CInt = 0
                    waitpid(pid, &status, 0)
                    #expect((status == 0) == !isKilled)
                }
                #expect(try pool.resolve(reference).id == hosts.senderPool.resolve("//app:app").id)
                // Nobody has them any more.
                #expect(try await hosts.receiver.dish("image", "gc", "--age", "0", "--all").code == 0)
                #expect(try pool.allLayers().isEmpty && Files.list("\(pool.cache)/blobs") == [])
                #expect(try Files.list("\(pool.path)/pins").filter { !$0.hasPrefix(".") } == [])
            }
        }
    }
}
