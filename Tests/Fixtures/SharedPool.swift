import Glibc
import Linux

/// A pool on a loop file with the images of `examples/web`, built once for a run of the tests.
public actor SharedPool {
    public static let shared = SharedPool()

    private var preparation: Task<String, any Error>?

    /// The pool's path.
    public func path() async throws -> String {
        if let preparation { return try await preparation.value }
        let task = Task { try await Self.prepare() }
        preparation = task
        return try await task.value
    }

    /// A host whose default is this pool.
    public func host() async throws -> TestHost { try TestHost(pool: try await path()) }

    private static func prepare() async throws -> String {
        let pool = "\(Scratch.directory)/pool"
        let host = try TestHost()
        let made = try await host.dish("pool", "create", pool, "--size", "12G")
        guard made.code == 0 else { throw FixtureError("make the pool: \(made)") }
        let built = try await host.dish("image", "build", "//...", "--pool", pool, in: Programs.exampleWorkspace)
        guard built.code == 0 else { throw FixtureError("build the examples: \(built)") }
        return pool
    }
}
