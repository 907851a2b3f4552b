import CLinux
import Glibc

/// Runs a program to its end and collects what it prints.
public struct Command: Sendable {
    /// What a finished program left.
    public struct Result: Sendable {
        public let status: ExitStatus
        public let output: [UInt8]
        public let errors: [UInt8]

        public var text: String { String(decoding: output, as: UTF8.self) }
        public var errorText: String { String(decoding: errors, as: UTF8.self) }
    }

    public var spawn: Spawn
    /// Bytes for the program's standard input.
    public var input: [UInt8] = []
    /// Whether standard error goes where standard output goes.
    public var mergesErrors = false
    /// The most bytes of each stream that are collected; what comes after them is only passed to `onOutput`.
    public var outputLimit = Int.max
    /// Called with each piece of output as it arrives, from another thread.
    public var onOutput: (@Sendable ([UInt8]) -> Void)?

    public init(_ spawn: Spawn) {
        self.spawn = spawn
    }

    public init(_ program: String, _ arguments: [String] = []) {
        spawn = Spawn(program, arguments)
    }

    /// Runs it without blocking the cooperative pool. Cancelling the task kills the program.
    public func run() async throws -> Result {
        let running = RunningProcess()
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
        let ending = (try? OwnedFD.ofProcess(child).release()) ?? -1
        var results = Streams(
            output: output.reading.release(), errors: errors.reading.release(), input: input.writing.release(),
            ending: ending, limit: outputLimit)
        // The child has its own copies; ours would hide the end of its output.
        close(output.writing.release())
        close(errors.writing.release())
        close(input.reading.release())
        let inTime = withoutBrokenPipeSignal {
            // What a killed program has left running may hold its output open for as long as it likes.
            results.pump(
                self.input, until: spawn.timeLimit.map { .now + $0 }, isCancelled: { running.isCancelled }, onOutput)
        }
        if !inTime { running.end() }
        let status = try running.wait(child)
        if !inTime, let limit = spawn.timeLimit { throw TimeLimitExceeded(limit: limit) }
        return Result(status: status, output: results.outputBytes, errors: results.errorBytes)
    }
}

/// A program ran longer than it may, and was killed.
public struct TimeLimitExceeded: Error, CustomStringConvertible {
    public let limit: Duration

    public var description: String { "it ran longer than \(limit.components.seconds) s, which is its time limit, and was ended" }
}

/// Reads two pipes and feeds a third until both ends of output are reached.
private struct Streams {
    private var outputFD: CInt
    private var errorsFD: CInt
    private var inputFD: CInt
    /// A pidfd of the program, until it has ended.
    private var endingFD: CInt
    var outputBytes: [UInt8] = []
    var errorBytes: [UInt8] = []
    private let limit: Int

    init(output: CInt, errors: CInt, input: CInt, ending: CInt, limit: Int) {
        outputFD = output
        errorsFD = errors
        inputFD = input
        endingFD = ending
        self.limit = limit
    }

    /// - Parameter isCancelled: asked once the program has ended: whether the rest of its output is given up.
    /// - Returns: whether the output ended before the deadline.
    mutating func pump(
        _ input: [UInt8], until deadline: ContinuousClock.Instant?, isCancelled: () -> Bool,
        _ onOutput: (([UInt8]) -> Void)?
    ) -> Bool {
        defer { close() }
        _ = fcntl(inputFD, F_SETFL, O_NONBLOCK)
        var pending = input[...]
        if pending.isEmpty { Self.shut(&inputFD) }
        while outputFD >= 0 || errorsFD >= 0 {
            var polled = [
                pollfd(fd: outputFD, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errorsFD, events: Int16(POLLIN), revents: 0),
                pollfd(fd: inputFD, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: endingFD, events: Int16(POLLIN), revents: 0),
            ]
            let hasEnded = endingFD < 0
            var wait: CInt = hasEnded ? 100 : -1
            if let deadline, !hasEnded {
                let left = (deadline - .now).components
                guard left.seconds >= 0, left.attoseconds >= 0 else { return false }
                wait = CInt(min(60_000, left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000 + 1))
            }
            guard poll(&polled, 4, wait) >= 0 || errno == EINTR else { break }
            if polled[3].revents != 0 { Self.shut(&endingFD) }
            if hasEnded, isCancelled() { break }
            if polled[0].revents != 0 { Self.take(&outputFD, into: &outputBytes, limit, onOutput) }
            if polled[1].revents != 0 { Self.take(&errorsFD, into: &errorBytes, limit, onOutput) }
            if polled[2].revents != 0 {
                let count = pending.withUnsafeBytes { send(inputFD, $0.baseAddress!, $0.count) }
                if count > 0 { pending = pending.dropFirst(count) }
                if pending.isEmpty || (count < 0 && errno != EAGAIN && errno != EINTR) { Self.shut(&inputFD) }
            }
        }
        return true
    }

    private mutating func close() {
        Self.shut(&inputFD)
        Self.shut(&outputFD)
        Self.shut(&errorsFD)
        Self.shut(&endingFD)
    }

    private func send(_ descriptor: CInt, _ start: UnsafeRawPointer, _ count: Int) -> Int {
        write(descriptor, start, count)
    }

    private static func take(
        _ descriptor: inout CInt, into bytes: inout [UInt8], _ limit: Int, _ observer: (([UInt8]) -> Void)?
    ) {
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = read(descriptor, &chunk, chunk.count)
        if count > 0 {
            bytes += chunk[..<min(count, limit - bytes.count)]
            observer?(Array(chunk[..<count]))
        } else if count == 0 || errno != EINTR {
            shut(&descriptor)
        }
    }

    private static func shut(_ descriptor: inout CInt) {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }
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
