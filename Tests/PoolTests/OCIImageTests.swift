import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension Registries {
    /// OCI images in and out, with the tools that others use.
    @Suite struct OCIImageTests {
        private func shell(_ script: String) async throws -> Outcome {
            let result = try await Command("/bin/sh", ["-ec", script]).run()
            return Outcome(code: result.status.shellCode, output: result.text, errors: result.errorText)
        }

        /// An image with a static shell that says where it is, in OCI layout, made by dish itself.
        ///
        /// - Parameter user: who its command runs as. Naming one needs getent(1) in the image when it runs in nspawn.
        private func buildProgram(_ host: TestHost, user: String = "keeper") async throws {
            let workspace = try TestWorkspace()
            try Files.makeDirectories("\(workspace.path)/tool")
            let copied = try await Command("/bin/cp", ["/bin/busybox", "\(workspace.path)/tool/busybox"]).run()
            guard copied.status.isSuccess else { throw FixtureError("busybox is missing: \(copied.errorText)") }
            try workspace.write(
                "tool/IMAGES.yaml",
                """
                images:
                  - name: base
                    base: scratch
                    files:
                      - {path: /bin/busybox, source: busybox, mode: "755"}
                      - {path: /etc/passwd, text: "root:x:0:0::/:/bin/sh\\nkeeper:x:1000:1000::/srv:/bin/sh\\n"}
                      - {path: /etc/group, text: "root:x:0:\\nkeeper:x:1000:\\n"}
                      - {path: /srv/gone, text: "gone\\n"}
                    directories: [{path: /proc}, {path: /dev}, {path: /sys}, {path: /run}, {path: /tmp, mode: "1777"}]
                    symlinks: [{path: /bin/sh, target: busybox}, {path: /bin/cat, target: busybox}, {path: /bin/id, target: busybox}, {path: /bin/ls, target: busybox}]
                  - name: tool
                    parent: :base
                    files: [{path: /srv/motd, text: "from the image\\n"}]
                    remove: [{path: /srv/gone}]
                    task:
                      command: [/bin/sh, -c, 'cat motd; echo $GREETING; id -u; ls -1']
                      environment: {GREETING: hello, PATH: /bin}
                      user: \(user)
                      directory: /srv
                      stop_signal: SIGINT
                """)
            let built = try await host.dish("image", "build", "//tool:tool", in: workspace.path)
            guard built.code == 0 else { throw FixtureError("build: \(built)") }
        }

        @Test func anExportedImageRunsInPodmanAndComesBackAsTheSame() async throws {
            try await withHosts { hosts in
                try await buildProgram(hosts.sender)
                let folder = try Scratch.make("export")
                for target in ["oci:\(folder)/layout:tool", "docker-archive:\(folder)/tool.tar"] {
                    let exported = try await hosts.sender.dish("image", "export", "//tool:tool", target)
                    try #require(exported.code == 0, "\(exported)")
                }
                // The same again, byte for byte.
                _ = try await hosts.sender.dish("image", "export", "//tool:tool", "docker-archive:\(folder)/again.tar")
                #expect(try await shell("cmp \(folder)/tool.tar \(folder)/again.tar").code == 0)
                #expect(try await shell("skopeo inspect oci:\(folder)/layout:tool").code == 0)
                let podman = """
                    podman --root \(folder)/podman --runroot \(folder)/run --storage-driver vfs --runtime runc --cgroup-manager cgroupfs \
                    --events-backend file
                    """
                for source in ["oci:\(folder)/layout:tool", "docker-archive:\(folder)/tool.tar"] {
                    let run = try await shell(
                        "\(podman) run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \(source)")
                    #expect(run.output == "from the image\nhello\n1000\nmotd\n", "\(source): \(run)")
                }
                let imported = try await hosts.receiver.dish("image", "import", "oci:\(folder)/layout:tool", "--name", "tool")
                try #require(imported.code == 0, "\(imported)")
                let archive = try await hosts.receiver.dish(
                    "image", "import", "docker-archive:\(folder)/tool.tar", "--name", "again")
                #expect(archive.errors.contains("2 of 2 layers are here already"), "\(archive)")
                let (sent, layer) = (try hosts.senderPool.resolve("//tool:tool"), try hosts.receiverPool.resolve("tool"))
                #expect(try hosts.receiverPool.resolve("again").id == layer.id)
                #expect(
                    try ImageConfiguration.read(root: hosts.receiverPool.root(of: layer.id)).commandLine
                        == ImageConfiguration.read(root: hosts.senderPool.root(of: sent.id)).commandLine)
                let changes = try hosts.receiverPool.tree(of: layer.id).changes(from: hosts.senderPool.tree(of: sent.id))
                #expect(changes.map(\.path) == ["/usr/lib/dish/image.json"], "\(changes)")
                #expect(Files.isDirectory("\(hosts.receiverPool.root(of: layer.id))/srv"))
            }
        }

        @Test func anImageOfARegistryRunsByItsName() async throws {
            try await withHosts { hosts in
                try await buildProgram(hosts.sender, user: "root")
                let folder = try Scratch.make("export")
                #expect(try await hosts.sender.dish("image", "export", "//tool:tool", "oci:\(folder):tool").code == 0)
                let reference = "\(hosts.registry.host)/team/tool:1"
                let copied = try await shell("skopeo copy --dest-tls-verify=false oci:\(folder):tool docker://\(reference)")
                try #require(copied.code == 0, "\(copied)")
                try await hosts.receiver.withAgent { _ in
                    let run = try await hosts.receiver.dish("run", "--rm", "--network", "none", "docker://\(reference)")
                    #expect(run.output == "from the image\nhello\n0\nmotd\n", "\(run)")
                    let again = try await hosts.receiver.dish(
                        "run", "--name", "kept", "--network", "none", reference, "--", "/bin/sh", "-c",
                        "echo more > /srv/more; rm /srv/motd")
                    #expect(again.code == 0, "\(again)")
                    let committed = try await hosts.receiver.dish("commit", "kept", "tool:changed")
                    try #require(committed.code == 0, "\(committed)")
                    let layer = try hosts.receiverPool.resolve("tool:changed")
                    #expect(try layer.parent == hosts.receiverPool.resolve(reference).id)
                    let root = hosts.receiverPool.root(of: layer.id)
                    #expect(try Files.readText("\(root)/srv/more") == "more\n" && !Files.exists("\(root)/srv/motd"))
                    #expect(try TreeDigest(of: root).id == layer.id)
                }
            }
        }

        @Test func layersAreSharedBetweenImages() async throws {
            try await withHosts { hosts in
                try await buildProgram(hosts.sender)
                let folder = try Scratch.make("export")
                for image in ["base", "tool"] {
                    #expect(try await hosts.sender.dish("image", "export", "//tool:\(image)", "oci:\(folder):\(image)").code == 0)
                    let copied = try await shell(
                        "skopeo copy --dest-tls-verify=false oci:\(folder):\(image) docker://\(hosts.registry.host)/\(image):1")
                    try #require(copied.code == 0, "\(copied)")
                }
                #expect(try await hosts.receiver.dish("image", "import", "\(hosts.registry.host)/base:1").code == 0)
                let imported = try await hosts.receiver.dish("image", "import", "\(hosts.registry.host)/tool:1")
                #expect(imported.code == 0 && imported.errors.contains("1 of 2 layers are here already"), "\(imported)")
                let stack = try hosts.receiverPool.stack(hosts.receiverPool.resolve("\(hosts.registry.host)/tool:1").id)
                #expect(try stack.contains { try $0.id == hosts.receiverPool.resolve("\(hosts.registry.host)/base:1").id })
                let package = try await hosts.receiver.dish("image", "pull", "\(hosts.registry.host)/tool:1")
                #expect(package.code == 1 && package.errors.contains("dish image import"), "\(package)")
            }
        }

        @Test func aHostileLayerIsRefusedAndLeavesNothing() async throws {
            try await withHosts { hosts in
                let folder = try Scratch.make("hostile")
                let script = """
                    cd \(folder) && mkdir tree && echo x > tree/x
                    tar --transform 's,tree/x,../../../../../../../../../..\(folder)/escaped,' -P -cf layer.tar tree/x
                    digest=$(sha256sum layer.tar | cut -d' ' -f1)
                    printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $digest > config.json
                    printf '[{"Config":"config.json","RepoTags":["hostile:1"],"Layers":["layer.tar"]}]' > manifest.json
                    tar -cf image.tar manifest.json config.json layer.tar
                    printf '[{"Config":"config.json","RepoTags":["hostile:1"],"Layers":["../layer.tar"]}]' > manifest.json
                    sed -i s/$digest/0000000000000000000000000000000000000000000000000000000000000000/ config.json
                    tar -cf other.tar manifest.json config.json layer.tar
                    """
                let made = try await shell(script)
                try #require(made.code == 0, "\(made)")
                let imported = try await hosts.receiver.dish("image", "import", "docker-archive:\(folder)/image.tar")
                #expect(imported.code == 1 && imported.errors.contains("leads out of the image"), "\(imported)")
                let other = try await hosts.receiver.dish("image", "import", "docker-archive:\(folder)/other.tar")
                #expect(other.code == 1, "\(other)")
                #expect(!Files.exists("\(folder)/escaped"))
                #expect(try hosts.receiverPool.allLayers().isEmpty && Files.list("\(hosts.receiverPool.path)/staging") == [])
            }
        }
    }
}
