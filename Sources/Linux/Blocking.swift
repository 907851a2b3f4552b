import Glibc

/// Runs a call that may block on a thread of its own, off the cooperative pool.
///
/// Ioctls, mounts, fsync and waits belong here: a cooperative thread that blocks stalls every task. So does what belongs to a
/// thread, like its namespaces and the children that die with it. Dispatch's threads would not do: it has as many as there
/// are processors, so that one call waits for another's disk.
///
/// When the task is cancelled, so is the call's `Cancellation`: the call is waited for, and ends early where it checks that.
///
/// - Parameter pace: the rate at which the call reads content; nil for no limit.
/// - Throws: what the call throws; `SystemError` with `EAGAIN` when there can be no more threads.
public func blocking<Result: Sendable>(
    pace: ReadPace? = nil, _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    let cancellation = Cancellation(pace: pace)
    return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
            do {
                try startThread {
                    continuation.resume(
                        with: Swift.Result { try Cancellation.$current.withValue(cancellation, operation: body) })
                }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    } onCancel: {
        cancellation.cancel()
    }
}

/// Runs a closure on a new thread.
///
/// - Throws: `SystemError` with `EAGAIN` when there can be no more threads; the closure doesn't run then.
public func startThread(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let box = Unmanaged.passRetained(Box(body))
    var thread = pthread_t()
    let result = pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, box.toOpaque())
    guard result == 0 else {
        box.release()
        throw SystemError("start a thread", code: result)
    }
    pthread_detach(thread)
}
