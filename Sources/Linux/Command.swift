import CLinux
import Glibc

/// Runs a program to its end and collects what it prints.
public struct Command: Sendable {
    /// What a finished program left.
    public struct Result: Sendable {
        public let status: ExitStatus
        public let output: [UInt8]
        public let errors: [UInt8]
        /// Whether output is missing: there was more than `outputLimit`, or what the program left behind held its end open.
        public let isIncomplete: Bool

        public var text: String { String(decoding: output, as: UTF8.self) }
        public var errorText: String { String(decoding: errors, as: UTF8.self) }
    }

    public var spawn: Spawn
    /// Bytes for the program's standard input.
    public var input: [UInt8] = []
    /// Whether standard error goes where standard output goes.
    public var mergesErrors = false
    /// The most bytes of each stream that are collected; what comes after them is only passed to `onOutput`.
    public var outputLimit = 64 << 20
    /// Called with each piece of output as it arrives, from another thread.
    public var onOutput: (@Sendable ([UInt8]) -> Void)?

    public init(_ spawn: Spawn) {
        self.spawn = spawn
    }

    public init(_ program: String, _ arguments: [String] = []) {
        spawn = Spawn(program, arguments)
    }

    /// For how long after the program's end output is waited for that something else holds open.
    private static let grace = Duration.milliseconds(250)

    /// Runs it without blocking the cooperative pool. Cancelling the task kills the program, and doesn't wait for one that
    /// the kernel can't end.
    public func run() async throws -> Result {
        let running = try RunningProcess(isCancellable: true)
        return try await withTaskCancellationHandler {
            // The death signal follows the thread that spawned.
            try await blocking { try runBlocking(running) }
        } onCancel: {
            running.kill()
        }
    }

    /// Runs it on this thread. The program is killed should this thread end first.
    public func runBlocking() throws -> Result {
        try runBlocking(RunningProcess())
    }

    private func runBlocking(_ running: RunningProcess) throws -> Result {
        var spawn = spawn
        spawn.deathSignal = SIGKILL
        let output = try OwnedFD.pipe()
        let errors = try OwnedFD.pipe()
        let input = try OwnedFD.pipe()
        spawn.descriptors = [
            self.input.isEmpty ? -1 : input.reading.number, output.writing.number,
            mergesErrors ? output.writing.number : errors.writing.number,
        ]
        let child = try running.start(spawn)
        let ending = try running.watch(child)
        var results = Streams(
            output: output.reading.release(), errors: errors.reading.release(), input: input.writing.release(),
            ending: ending.number, cancelling: running.cancelling, limit: outputLimit)
        // The child has its own copies; ours would hide the end of its output.
        close(output.writing.release())
        close(errors.writing.release())
        close(input.reading.release())
        let end = withoutBrokenPipeSignal {
            results.pump(self.input, until: spawn.timeLimit.map { .now + $0 }, grace: Self.grace, onOutput)
        }
        switch end {
        case .complete, .cancelled: break
        case .heldOpen: if spawn.timeLimit != nil { running.endGroup() }
        case .late: running.end()
        }
        // One that sleeps in the kernel ends when that lets it.
        let patience: Duration? =
            end == .late ? .seconds(1) : end == .cancelled ? .milliseconds(spawn.join == nil ? 50 : 500) : nil
        guard let status = try running.wait(child, ending, within: patience) else {
            if end == .late, let limit = spawn.timeLimit { throw TimeLimitExceeded(limit: limit) }
            throw CancellationError()
        }
        if end == .late, let limit = spawn.timeLimit { throw TimeLimitExceeded(limit: limit) }
        return Result(
            status: status, output: results.outputBytes, errors: results.errorBytes,
            isIncomplete: results.isCut || end == .heldOpen)
    }
}

/// A program ran longer than it may, and was killed.
public struct TimeLimitExceeded: Error, CustomStringConvertible {
    public let limit: Duration

    public var description: String { "it ran longer than \(limit.components.seconds) s, which is its time limit, and was ended" }
}

/// Runs a closure in which writing to a pipe that nobody reads is an error and no signal, whatever the program does
/// about SIGPIPE elsewhere.
func withoutBrokenPipeSignal<Result>(_ body: () throws -> Result) rethrows -> Result {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    var before = sigset_t()
    pthread_sigmask(SIG_BLOCK, &signals, &before)
    defer {
        if sigismember(&before, SIGPIPE) == 0 {
            // It is this thread's own, so none that waits here is anybody else's.
            var now = timespec()
            while sigtimedwait(&signals, nil, &now) < 0, errno == EINTR {}
        }
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }
    return try body()
}
