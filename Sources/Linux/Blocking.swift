import Dispatch

private let queue = DispatchQueue(label: "dish.blocking", attributes: .concurrent)

/// Runs a call that may block on a thread of its own kind, off the cooperative pool.
///
/// Ioctls, mounts, fsync and waits belong here: a cooperative thread that blocks stalls every task.
public func blocking<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        queue.async { continuation.resume(with: Swift.Result(catching: body)) }
    }
}
