import Glibc
import Synchronization

/// Tells work on a thread that nobody waits for its result any more.
///
/// `blocking` makes one for each call: it is cancelled with the task that made the call. Code that hands work on to further threads
/// passes `current` to them. Loops over content check it once for each piece that they read.
public final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)
    private let pace: ReadPace?

    /// That of the work that this thread or task does; nil for work that can't be cancelled this way.
    @TaskLocal public static var current: Cancellation?

    /// - Parameter pace: the rate at which the work reads content; nil for no limit.
    public init(pace: ReadPace? = nil) {
        self.pace = pace
    }

    public var isPaced: Bool { pace != nil }

    public func cancel() { flag.store(true, ordering: .relaxed) }

    public var isCancelled: Bool { flag.load(ordering: .relaxed) }

    /// - Throws: `CancellationError` when the current work, or the task it belongs to, was cancelled.
    public static func check() throws(CancellationError) {
        if Task.isCancelled || current?.isCancelled == true { throw CancellationError() }
    }

    /// Checks the same after content was read, and waits as long as the work's pace asks for.
    public static func check(reading bytes: Int) throws(CancellationError) {
        try check()
        try current?.pace?.wait(afterReading: bytes)
    }

    /// Lets the kernel forget content that work with a pace has read: nobody waits for it, so nobody needs it soon.
    public static func forgetContent(of file: CInt) {
        if current?.isPaced == true { posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) }
    }

    /// Runs a closure as part of another thread's work.
    public static func joining<Result>(
        _ cancellation: Cancellation?, _ body: () throws -> Result
    ) rethrows -> Result {
        guard let cancellation else { return try body() }
        return try $current.withValue(cancellation, operation: body)
    }
}
