import Fixtures
import Glibc
import Layers
import Linux
import Testing

extension Registries {
    /// What registries ask of whoever comes to them: tokens, credentials, other hosts; and what they offer.
    @Suite struct RealServerTests {
        /// A sender and a receiver with credentials of their own.
        private func host(_ pool: Pool, _ configuration: String, path: String? = nil) throws -> TestHost {
            let folder = try Scratch.make("docker")
            try Files.replace("\(folder)/config.json", with: configuration.utf8, mode: 0o600, durable: false)
            var environment = ["DOCKER_CONFIG": folder]
            if let path { environment["DISH_PATH"] = "\(path):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }
            return try TestHost(pool: pool.path, environment: environment)
        }

        /// keeper:correct horse
        private static let secret = "a2VlcGVyOmNvcnJlY3QgaG9yc2U="

        @Test func aRegistryThatWantsTokensGetsThem() async throws {
            let tokens = try await TokenServer()
            let registry = try await TestRegistry(tokens: tokens)
            try await withHosts { hosts in
                try await build(hosts.sender, version: 1, megabytes: 1)
                let known = try host(hosts.senderPool, #"{"auths": {"\#(registry.host)": {"auth": "\#(Self.secret)"}}}"#)
                let reference = "\(registry.host)/team/app:1"
                let pushed = try await known.dish("image", "push", "//app:app", reference)
                try #require(pushed.code == 0, "\(pushed)")
                let actions: Set<Substring> = [
                    "GET known repository:team/app:pull,push", "GET known repository:team/app:push,pull",
                ]
                #expect(tokens.log.contains(where: actions.contains), "\(tokens.log)")
                // Who isn't known gets a token that allows nothing.
                let anonymous = try await hosts.receiver.dish("image", "pull", reference)
                #expect(anonymous.code == 1 && anonymous.errors.contains("wants other credentials"), "\(anonymous)")
                let wrong = try host(
                    hosts.receiverPool, #"{"auths": {"\#(registry.host)": {"username": "keeper", "password": "x"}}}"#)
                let refused = try await wrong.dish("image", "pull", reference)
                #expect(refused.code == 1 && refused.errors.contains("get a token from"), "\(refused)")
                #expect(try !refused.errors.contains("correct horse") && hosts.receiverPool.allLayers().isEmpty)
                // An identity token is exchanged (OAuth 2).
                let identity = try host(
                    hosts.receiverPool, #"{"auths": {"\#(registry.host)": {"identitytoken": "\#(TokenServer.identity)"}}}"#)
                let pulled = try await identity.dish("image", "pull", reference)
                #expect(pulled.code == 0, "\(pulled)")
                #expect(tokens.log.contains("POST known repository:team/app:pull"), "\(tokens.log)")
                // A mount asks for both repositories at once.
                let copied = try await known.dish("image", "push", "//app:app", "\(registry.host)/team/copy:1")
                #expect(copied.code == 0 && !copied.errors.contains("transferred"), "\(copied)")
                #expect(
                    tokens.log.contains { $0.contains("team/copy") && $0.contains("repository:team/app:pull") }, "\(tokens.log)")
            }
        }

        @Test(arguments: [false, true])
        func credentialsComeFromTheStoreThatIsConfigured(isForAll: Bool) async throws {
            try await withHosts(isSecure: true) { hosts in
                let folder = try Scratch.make("helper")
                let script = """
                    #!/bin/sh
                    echo "$1" >> \(folder)/log
                    read host
                    case "$host" in
                    \(hosts.registry.host)) printf '{"ServerURL": "x", "Username": "\(TestRegistry.user)", "Secret": "\(TestRegistry.password)"}' ;;
                    *) echo "credentials not found in native keychain"; exit 1 ;;
                    esac
                    """
                try Files.replace("\(folder)/docker-credential-test", with: script.utf8, mode: 0o755, durable: false)
                let configuration =
                    isForAll ? #"{"credsStore": "test"}"# : #"{"credHelpers": {"\#(hosts.registry.host)": "test"}}"#
                let keeper = try host(hosts.senderPool, configuration, path: folder)
                try await build(keeper, version: 1, megabytes: 1)
                let pushed = try await keeper.dish(
                    arguments: ["image", "push", "//app:app", "\(hosts.registry.host)/team/app:1"] + hosts.trust)
                #expect(pushed.code == 0, "\(pushed)")
                #expect(try Files.readText("\(folder)/log").split(separator: "\n").allSatisfy { $0 == "get" })
                let missing = try host(hosts.senderPool, #"{"credsStore": "missing"}"#, path: folder)
                let refused = try await missing.dish(
                    arguments: ["image", "pull", "\(hosts.registry.host)/team/app:1"] + hosts.trust)
                #expect(refused.code == 1 && refused.errors.contains("docker-credential-missing"), "\(refused)")
                // One that has nothing for the host is no error by itself; the registry then says what it wants.
                let other = try await TestRegistry(isSecure: true)
                let unknown = try await keeper.dish(
                    "image", "pull", "\(other.host)/app", "--ca-file", other.authority ?? "")
                #expect(unknown.code == 1 && unknown.errors.contains("wants other credentials"), "\(unknown)")
            }
        }

        @Test func credentialsStayWithTheHostTheyAreFor() async throws {
            // One registry, on two ports: the second has the blobs.
            let storage = try await SmallRegistry()
            let elsewhere = "http://localhost:\(storage.host.split(separator: ":")[1])"
            let user = "user=\(TestRegistry.user):\(TestRegistry.password)"
            let registry = try await SmallRegistry([user, "blobs=\(elsewhere)"], storeOf: storage)
            try await withHosts { hosts in
                let configuration = #"{"auths": {"\#(registry.host)": {"auth": "\#(Self.secret)"}}}"#
                let (sender, receiver) = (
                    try host(hosts.senderPool, configuration), try host(hosts.receiverPool, configuration)
                )
                try await build(sender, version: 1, megabytes: 1)
                let pushed = try await sender.dish("image", "push", "//app:app", "\(registry.host)/team/app:1")
                try #require(pushed.code == 0, "\(pushed)")
                registry.forgetLog()
                let pulled = try await receiver.dish("image", "pull", "\(registry.host)/team/app:1")
                try #require(pulled.code == 0, "\(pulled)")
                // Each blob is asked for twice: with credentials where they are for, without where it is.
                let blobs = registry.log.filter { $0.hasPrefix("GET") && $0.contains("/blobs/") }.map { $0.split(separator: " ") }
                let paths = Set(blobs.map { $0[1] })
                #expect(paths.count == 3, "\(registry.log)")
                for path in paths {
                    #expect(Set(blobs.filter { $0[1] == path }.map { $0[2] }) == ["auth", "plain"], "\(registry.log)")
                }
            }
        }

        @Test func aBlobOfAnotherRepositoryIsNotSentAgain() async throws {
            try await withHosts { hosts in
                try await build(hosts.sender, version: 1, megabytes: 2)
                let proxy = try await FaultyProxy(to: hosts.registry.host)
                func sent(_ body: () async throws -> Void) async throws -> [Substring] {
                    let before = proxy.log.count
                    try await body()
                    return proxy.log.dropFirst(before).filter { $0.hasPrefix("PATCH") }
                }
                let first = try await sent {
                    let pushed = try await hosts.sender.dish("image", "push", "//app:app", "\(proxy.host)/staging/app:1")
                    #expect(pushed.code == 0, "\(pushed)")
                }
                #expect(first.count == 3, "\(first)")
                let second = try await sent {
                    let pushed = try await hosts.sender.dish("image", "push", "//app:app", "\(proxy.host)/production/app:1")
                    #expect(pushed.code == 0, "\(pushed)")
                }
                #expect(second.isEmpty, "\(second)")
                // Whoever pulled it needn't send it either.
                let third = try await sent {
                    #expect(try await hosts.receiver.dish("image", "pull", "\(proxy.host)/production/app:1").code == 0)
                    let pushed = try await hosts.receiver.dish(
                        "image", "push", "\(proxy.host)/production/app:1", "\(proxy.host)/other/app:1")
                    #expect(pushed.code == 0, "\(pushed)")
                }
                #expect(third.isEmpty, "\(third)")
                let other = try await Hosts()
                defer { other.end() }
                #expect(try await other.receiver.dish("image", "pull", "\(proxy.host)/other/app:1").code == 0)
            }
        }

        /// Debian's registry has no API for referrers, so theirs is the list under a tag; the other has one.
        @Test(arguments: [false, true])
        func referrersAreFoundWithTheAPIAndWithout(hasAPI: Bool) async throws {
            let small = hasAPI ? try await SmallRegistry(["referrers"]) : nil
            try await withHosts { hosts in
                let host = small?.host ?? hosts.registry.host
                let reference = "\(host)/team/app:1"
                for version in 1...2 {
                    try await build(hosts.sender, version: version)
                    let pushed = try await hosts.sender.dish("image", "push", "//app:app", reference)
                    try #require(pushed.code == 0, "\(pushed)")
                    let pulled = try await hosts.receiver.dish("image", "pull", reference)
                    try #require(pulled.code == 0, "\(pulled)")
                    let small = pulled.errors.contains(/transferred [0-9.]+ (B|KiB) in/)
                    #expect(small == (version == 2), "the delta is found: \(pulled)")
                }
                let keys = try Scratch.make("keys")
                for arguments in [
                    ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "\(keys)/key.pem"],
                    ["ec", "-in", "\(keys)/key.pem", "-pubout", "-out", "\(keys)/key.pub"],
                ] {
                    #expect(try await Command("/usr/bin/openssl", arguments).run().status.isSuccess)
                }
                let signed = try await hosts.sender.dish("image", "sign", reference, "--key", "\(keys)/key.pem")
                try #require(signed.code == 0, "\(signed)")
                #expect(try await hosts.receiver.dish("image", "verify", reference, "--key", "\(keys)/key.pub").code == 0)
                let digest = try #require(signed.text.split(separator: ":").last)
                let list = try await Command(
                    "/usr/bin/curl",
                    [
                        "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Accept: application/vnd.oci.image.index.v1+json",
                        "http://\(host)/v2/team/app/manifests/sha256-\(digest)",
                    ]
                ).run()
                #expect(list.text == (hasAPI ? "404" : "200"), "the list is kept only where there is no API")
            }
        }

        @Test func aRegistryKilledInTheMiddleOfAPullIsContinuedWhereItEnded() async throws {
            try await withHosts { hosts in
                try await build(hosts.sender, version: 1, megabytes: 48)
                #expect(try await hosts.sender.dish("image", "push", "//app:app", "\(hosts.registry.host)/app:1").code == 0)
                let proxy = try await FaultyProxy(to: hosts.registry.host)
                let reference = "\(proxy.host)/app:1"
                func ranges() -> [Int] {
                    proxy.log.compactMap { $0.firstMatch(of: /bytes=([0-9]+)-/).flatMap { Int($0.1) } }
                }
                // The same command goes on when the registry is back.
                try proxy.spoil(["none", "slow", "slow"])
                let pid = try hosts.receiver.start("image", "pull", reference, "--attempts", "12")
                try await Task.sleep(for: .seconds(2))
                hosts.registry.stop()
                #expect(try hosts.receiverPool.allNames().isEmpty)
                try await Task.sleep(for: .seconds(1))
                try await hosts.registry.start()
                var status: CInt = 0
                waitpid(pid, &status, 0)
                #expect(status == 0)
                #expect(try hosts.receiverPool.resolve(reference).id == hosts.senderPool.resolve("//app:app").id)
                #expect(ranges().contains { $0 > 1 << 20 }, "\(proxy.log)")
                // And the next one, when it has given up.
                #expect(try await hosts.receiver.dish("image", "rm", reference).code == 0)
                #expect(try await hosts.receiver.dish("image", "gc", "--age", "0", "--all").code == 0)
                let before = ranges().count
                try proxy.spoil(["none", "slow", "slow"])
                let other = try hosts.receiver.start("image", "pull", reference, "--attempts", "1")
                try await Task.sleep(for: .seconds(2))
                hosts.registry.stop()
                waitpid(other, &status, 0)
                #expect(status != 0)
                #expect(try hosts.receiverPool.allNames().isEmpty && Files.list("\(hosts.receiverPool.path)/staging") == [])
                try await hosts.registry.start()
                let pulled = try await hosts.receiver.dish("image", "pull", reference)
                #expect(pulled.code == 0, "\(pulled)")
                #expect(ranges().dropFirst(before).contains { $0 > 1 << 20 }, "\(proxy.log)")
                #expect(try Files.list("\(hosts.receiverPool.cache)/blobs") == [])
            }
        }

        @Test func aRedirectThatLeadsNowhereIsAnError() async throws {
            try await withHosts { hosts in
                try await build(hosts.sender, version: 1, megabytes: 1)
                #expect(try await hosts.sender.dish("image", "push", "//app:app", "\(hosts.registry.host)/app:1").code == 0)
                let proxy = try await FaultyProxy(to: hosts.registry.host)
                try proxy.spoil(["none", "loop", "loop"])
                let pulled = try await hosts.receiver.dish("image", "pull", "\(proxy.host)/app:1")
                #expect(pulled.code == 1 && pulled.errors.contains("more than 10 redirects"), "\(pulled)")
                #expect(try hosts.receiverPool.allNames().isEmpty && Files.list("\(hosts.receiverPool.path)/staging") == [])
                try proxy.spoil([])
                #expect(try await hosts.receiver.dish("image", "pull", "\(proxy.host)/app:1").code == 0)
            }
        }
    }
}
