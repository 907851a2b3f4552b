import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension Registries {
    /// Packages through Debian's docker-registry.
    @Suite struct PackageTests {
        @Test(arguments: [false, true])
        func aPushedImageIsPulledWithTheSameId(isSecure: Bool) async throws {
            try await withHosts(isSecure: isSecure) { hosts in
                try await build(hosts.sender, version: 1)
                let reference = "\(hosts.registry.host)/team/app:1"
                let pushed = try await hosts.sender.dish(arguments: ["image", "push", "//app:app", reference] + hosts.trust)
                try #require(pushed.code == 0, "\(pushed)")
                let again = try await hosts.sender.dish(arguments: ["image", "push", "//app:app", reference] + hosts.trust)
                #expect(again.text == pushed.text)
                #expect(!again.errors.contains("transferred"), "nothing is sent twice: \(again)")
                let pulled = try await hosts.receiver.dish(arguments: ["image", "pull", reference] + hosts.trust)
                try #require(pulled.code == 0, "\(pulled)")
                let sent = try hosts.senderPool.resolve("//app:app")
                let layer = try hosts.receiverPool.resolve(reference)
                #expect(layer.id == sent.id && pulled.text == sent.id.hex)
                #expect(try TreeDigest(of: hosts.receiverPool.root(of: layer.id)).id == layer.id)
                #expect(try hosts.receiverPool.stack(layer.id).map(\.id) == hosts.senderPool.stack(sent.id).map(\.id))
                #expect(try Files.list("\(hosts.receiverPool.cache)/blobs") == [])
                let third = try await hosts.receiver.dish(arguments: ["image", "pull", reference] + hosts.trust)
                #expect(third.code == 0 && third.errors.contains("2 of 2 layers are here already"), "\(third)")
            }
        }

        @Test func wrongCredentialsAreAnErrorThatSaysSo() async throws {
            try await withHosts(isSecure: true) { hosts in
                let host = try TestHost(pool: hosts.receiverPool.path, environment: ["DOCKER_CONFIG": "/nonexistent"])
                let pulled = try await host.dish(arguments: ["image", "pull", "\(hosts.registry.host)/app"] + hosts.trust)
                #expect(pulled.code == 1 && pulled.errors.contains("wants other credentials"), "\(pulled)")
                let untrusted = try await hosts.receiver.dish("image", "pull", "\(hosts.registry.host)/app", "--attempts", "1")
                #expect(untrusted.code == 1 && untrusted.errors.contains("certificate"), "\(untrusted)")
            }
        }

        @Test func credentialsComeFromTheHelperThatIsConfigured() async throws {
            try await withHosts(isSecure: true) { hosts in
                let folder = try Scratch.make("helper")
                let script = """
                    #!/bin/sh
                    [ "$1" = get ] && [ "$(cat)" = "\(hosts.registry.host)" ] || exit 1
                    printf '{"Username": "\(TestRegistry.user)", "Secret": "\(TestRegistry.password)"}'
                    """
                try Files.replace("\(folder)/docker-credential-test", with: script.utf8, mode: 0o755, durable: false)
                try Files.replace(
                    "\(folder)/config.json", with: #"{"credHelpers": {"\#(hosts.registry.host)": "test"}}"#.utf8, durable: false)
                let path = "\(folder):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                let host = try TestHost(
                    pool: hosts.receiverPool.path, environment: ["DOCKER_CONFIG": folder, "DISH_PATH": path])
                let pulled = try await host.dish(arguments: ["image", "pull", "\(hosts.registry.host)/app:none"] + hosts.trust)
                #expect(pulled.errors.contains("there is no image 'none'"), "\(pulled)")
            }
        }

        @Test func anUpdateIsPulledAsADelta() async throws {
            try await withHosts { hosts in
                let reference = "\(hosts.registry.host)/app:latest"
                for version in 1...2 {
                    try await build(hosts.sender, version: version)
                    let pushed = try await hosts.sender.dish("image", "push", "//app:app", reference)
                    try #require(pushed.code == 0, "\(pushed)")
                    #expect(pushed.errors.contains("delta to //app:app") == (version == 2), "\(pushed)")
                    let pulled = try await hosts.receiver.dish("image", "pull", reference)
                    try #require(pulled.code == 0, "\(pulled)")
                    #expect(try hosts.receiverPool.resolve(reference).id == hosts.senderPool.resolve("//app:app").id)
                    // One block of eight megabytes has changed.
                    let small = pulled.errors.contains(/transferred [0-9.]+ (B|KiB) in/)
                    #expect(small == (version == 2), "\(pulled)")
                }
                let layer = try hosts.receiverPool.resolve(reference)
                #expect(try TreeDigest(of: hosts.receiverPool.root(of: layer.id)).id == layer.id)
                // A host that has neither takes the whole stream.
                let other = try await Hosts()
                defer { other.end() }
                let pulled = try await other.receiver.dish("image", "pull", reference)
                #expect(pulled.code == 0 && pulled.errors.contains(/transferred [0-9.]+ MiB in/), "\(pulled)")
            }
        }

        @Test func aPackageTravelsInADirectory() async throws {
            try await withHosts { hosts in
                try await build(hosts.sender, version: 1, megabytes: 1)
                let (folder, reference) = (try Scratch.make("layout"), "registry.example/app:1")
                let pushed = try await hosts.sender.dish("image", "push", "//app:app", reference, "--to", folder)
                try #require(pushed.code == 0, "\(pushed)")
                let pulled = try await hosts.receiver.dish("image", "pull", reference, "--from", folder)
                try #require(pulled.code == 0, "\(pulled)")
                #expect(try hosts.receiverPool.resolve(reference).id == hosts.senderPool.resolve("//app:app").id)
                let blob = try #require(
                    try Files.list("\(folder)/blobs/sha256").first {
                        try Files.read("\(folder)/blobs/sha256/\($0)").count > 1 << 20
                    })
                var bytes = try Files.read("\(folder)/blobs/sha256/\(blob)")
                bytes[1000] ^= 1
                try Files.replace("\(folder)/blobs/sha256/\(blob)", with: bytes, durable: false)
                #expect(try await hosts.receiver.dish("image", "rm", reference).code == 0)
                let spoilt = try await hosts.receiver.dish("image", "pull", reference, "--from", folder)
                #expect(spoilt.code == 1 && spoilt.errors.contains("isn't what its digest says"), "\(spoilt)")
            }
        }

        @Test func whatIsSignedIsPulledAndTheRestRefused() async throws {
            try await withHosts { hosts in
                try await build(hosts.sender, version: 1, megabytes: 1)
                let keys = try Scratch.make("keys")
                for name in ["right", "wrong"] {
                    for arguments in [
                        ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "\(keys)/\(name).pem"],
                        ["ec", "-in", "\(keys)/\(name).pem", "-pubout", "-out", "\(keys)/\(name).pub"],
                    ] {
                        #expect(try await Command("/usr/bin/openssl", arguments).run().status.isSuccess)
                    }
                }
                let name = "\(hosts.registry.host)/team/app"
                let policy = try #require(hosts.receiver.environment["DISH_POLICY"])
                let rule = #"{"default": "reject", "registries": [{"prefix": "\#(name)", "keys": ["\#(keys)/right.pub"]}]}"#
                try Files.replace(policy, with: rule.utf8, durable: false)
                #expect(try await hosts.sender.dish("image", "push", "//app:app", "\(name):1").code == 0)
                let unsigned = try await hosts.receiver.dish("image", "pull", "\(name):1")
                #expect(unsigned.code == 1 && unsigned.errors.contains("has no signature"), "\(unsigned)")
                #expect(try await hosts.sender.dish("image", "sign", "\(name):1", "--key", "\(keys)/wrong.pem").code == 0)
                let mistrusted = try await hosts.receiver.dish("image", "pull", "\(name):1")
                #expect(mistrusted.code == 1 && mistrusted.errors.contains("none of its 1 signatures"), "\(mistrusted)")
                let signed = try await hosts.sender.dish("image", "sign", "\(name):1", "--key", "\(keys)/right.pem")
                #expect(signed.code == 0, "\(signed)")
                for key in ["right", "wrong"] {
                    #expect(
                        try await hosts.sender.dish("image", "verify", "\(name):1", "--key", "\(keys)/\(key).pub").text
                            == signed.text)
                }
                #expect(try hosts.receiverPool.allLayers().isEmpty)
                let pulled = try await hosts.receiver.dish("image", "pull", "\(name):1")
                #expect(pulled.code == 0, "\(pulled)")
                let other = try await hosts.receiver.dish("image", "pull", "\(hosts.registry.host)/other:1")
                #expect(other.code == 1 && other.errors.contains("accepts only what it names"), "\(other)")
                try Files.replace(policy, with: "{".utf8, durable: false)
                let damaged = try await hosts.receiver.dish("image", "pull", "\(name):1")
                #expect(damaged.code == 1 && damaged.errors.contains("nothing is fetched"), "\(damaged)")
                // Where cosign looks for it.
                let digest = try #require(signed.text.split(separator: ":").last)
                let found = try await Command(
                    "/usr/bin/curl",
                    [
                        "-sf", "-H", "Accept: application/vnd.oci.image.manifest.v1+json",
                        "http://\(hosts.registry.host)/v2/team/app/manifests/sha256-\(digest).sig",
                    ]
                ).run()
                #expect(found.text.contains("dev.cosignproject.cosign/signature"), "\(found.text)")
            }
        }

        @Test func garbageIsCollectedAndWhatIsNeededStays() async throws {
            try await withHosts { hosts in
                for version in 1...2 { try await build(hosts.sender, version: version, megabytes: 1) }
                #expect(try hosts.senderPool.allLayers().count == 3)
                #expect(try await hosts.sender.dish("image", "gc").text == "")
                let dry = try await hosts.sender.dish("image", "gc", "--age", "0", "--dry-run")
                #expect(dry.text.hasPrefix("would remove") && dry.text.split(separator: "\n").count == 1, "\(dry)")
                #expect(try hosts.senderPool.allLayers().count == 3)
                #expect(try await hosts.sender.dish("image", "gc", "--age", "0").code == 0)
                #expect(try hosts.senderPool.allLayers().count == 2)
                _ = try hosts.senderPool.resolve("//app:app")
                #expect(try await hosts.sender.dish("image", "gc", "--age", "0", "--all", "--free", "1M").text == "")
                for name in ["//app:app", "//app:*", "//*"] {
                    #expect(
                        try await hosts.sender.dish("image", "gc", "--age", "0", "--all", "--keep", name).text == "", "\(name)")
                }
                #expect(try await hosts.sender.dish("image", "gc", "--age", "0", "--all", "--keep", "app:app").code == 0)
                #expect(try hosts.senderPool.allLayers().isEmpty)
            }
        }
    }
}
