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

/// Runs a call on a thread of its own: for what belongs to a thread, like its namespaces and the children that die with it.
///
/// - Throws: what the call throws; `SystemError` with `EAGAIN` when there can be no more threads.
public func blockingOnThread<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        do {
            try startThread { continuation.resume(with: Swift.Result(catching: body)) }
        } catch {
            continuation.resume(throwing: error)
        }
    }
}
