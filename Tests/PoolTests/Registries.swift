import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// The tests of registries run one after the other, each with pools of its own.
@Suite(.serialized, .requiresRoot)
enum Registries {
    /// Two pools that have nothing to do with each other, and a registry between them.
    struct Hosts {
        let registry: TestRegistry
        let sender: TestHost
        let receiver: TestHost
        let senderPool: Pool
        let receiverPool: Pool

        init(isSecure: Bool = false) async throws {
            registry = try await TestRegistry(isSecure: isSecure)
            var environment: [String: String] = ["DISH_POLICY": try Scratch.make("policy") + "/policy.json"]
            if isSecure { environment["DOCKER_CONFIG"] = try registry.dockerConfiguration() }
            (sender, senderPool) = try await Self.host(environment)
            (receiver, receiverPool) = try await Self.host(environment)
        }

        private static func host(_ environment: [String: String]) async throws -> (TestHost, Pool) {
            let path = try Scratch.make("registry-pool") + "/pool"
            let made = try await TestHost().dish("pool", "create", path, "--size", "4G")
            guard made.code == 0 else { throw FixtureError("make the pool: \(made)") }
            return (try TestHost(pool: path, environment: environment), try Pool(at: path))
        }

        /// Unmounts the pools.
        func end() {
            for pool in [senderPool.path, receiverPool.path] { try? Mounts.unmount(pool, flags: CInt(MNT_DETACH)) }
        }

        /// Options for a registry that speaks TLS.
        var trust: [String] { registry.authority.map { ["--ca-file", $0] } ?? [] }
    }

    static func withHosts(isSecure: Bool = false, _ body: (Hosts) async throws -> Void) async throws {
        let hosts = try await Hosts(isSecure: isSecure)
        defer { hosts.end() }
        try await body(hosts)
    }

    /// Builds `//app:base` and `//app:app` on it, with so many bytes that don't compress.
    ///
    /// - Parameter version: what is in one block in the middle of them.
    static func build(_ host: TestHost, version: Int, megabytes: Int = 8) async throws {
        let workspace = try TestWorkspace()
        var content = noise(megabytes << 20)
        content.replaceSubrange(megabytes << 19..<megabytes << 19 + 4, with: "v\(version)..".utf8.prefix(4))
        try Files.makeDirectories("\(workspace.path)/app")
        try Files.replace("\(workspace.path)/app/data", with: content, durable: false)
        try workspace.write(
            "app/IMAGES.yaml",
            """
            images:
              - name: base
                base: scratch
                files: [{path: /etc/base, text: "the base\\n"}]
              - name: app
                parent: :base
                files:
                  - {path: /srv/data, source: data}
                  - {path: /srv/version, text: "\(version)\\n"}
            """)
        let built = try await host.dish("image", "build", "//app:app", in: workspace.path)
        guard built.code == 0 else { throw FixtureError("build: \(built)") }
    }

    /// Bytes that no compressor makes smaller, always the same.
    static func noise(_ count: Int) -> [UInt8] {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { buffer in
            for offset in stride(from: 0, to: count - 7, by: 8) {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                buffer.storeBytes(of: state, toByteOffset: offset, as: UInt64.self)
            }
        }
        return bytes
    }
}
