import Fixtures
import Glibc
import Linux
import Testing

/// The build engine's tests run one after the other, in a pool of their own, whose staging they look into.
@Suite(.serialized, .requiresRoot)
enum BuildEngine {}

/// A pool with the example's `//os:base`.
actor BuildEnginePool {
    static let shared = BuildEnginePool()

    private var preparation: Task<String, any Error>?

    func path() async throws -> String {
        if let preparation { return try await preparation.value }
        let task = Task { try await Self.prepare() }
        preparation = task
        return try await task.value
    }

    func host() async throws -> TestHost { try TestHost(pool: try await path()) }

    private static func prepare() async throws -> String {
        // Packages that are here already are not fetched again.
        let cache = try await SharedPool.shared.path() + "/cache"
        let host = try TestHost()
        let pool = try Scratch.make("engine") + "/pool"
        let made = try await host.dish("pool", "create", pool, "--size", "6G")
        guard made.code == 0 else { throw FixtureError("make the pool: \(made)") }
        let copied = try await Command("/bin/cp", ["--recursive", "--preserve", cache, pool]).run()
        guard copied.status.isSuccess else { throw FixtureError("copy the packages: \(copied.errorText)") }
        let built = try await host.dish("image", "build", "//os:base", "--pool", pool, in: Programs.exampleWorkspace)
        guard built.code == 0 else { throw FixtureError("build the base: \(built)") }
        return pool
    }
}
