import Glibc

/// Runs a program whose output is read, or whose input is written, piece by piece through a pipe: neither side is
/// ever ahead of the other by more than the pipe holds.
public struct PipedCommand: Sendable {
    /// The pipe takes the place of descriptor 1, or of 0 for `feed`; the others are the caller's.
    public var spawn: Spawn

    public init(_ spawn: Spawn) {
        self.spawn = spawn
    }

    /// Runs it and gives its standard output to a closure, on a thread of its own. When the closure returns before
    /// the output's end, the pipe is closed, which ends a program that writes on.
    ///
    /// - Returns: what the closure returned, and how the program ended.
    /// - Throws: what the closure throws; `CancellationError` when the task is cancelled, which kills the program.
    public func read<Result: Sendable>(
        _ body: @escaping @Sendable (borrowing OwnedFD) throws -> Result
    ) async throws -> (Result, ExitStatus) {
        try await Self.cancellable { running in
            let pipe = try OwnedFD.pipe()
            var spawn = spawn
            spawn.deathSignal = SIGKILL
            spawn.descriptors[1] = pipe.writing.number
            let child = try running.start(spawn)
            return try Self.attend(child, running, ours: pipe.reading, theirs: pipe.writing, body)
        }
    }

    /// Runs it and lets a closure write its standard input; the input ends when the closure returns.
    public func feed<Result: Sendable>(
        _ body: @escaping @Sendable (borrowing OwnedFD) throws -> Result
    ) async throws -> (Result, ExitStatus) {
        try await Self.cancellable { running in
            let pipe = try OwnedFD.pipe()
            var spawn = spawn
            spawn.deathSignal = SIGKILL
            spawn.descriptors[0] = pipe.reading.number
            let child = try running.start(spawn)
            return try Self.attend(child, running, ours: pipe.writing, theirs: pipe.reading, body)
        }
    }

    fileprivate static func cancellable<Result: Sendable>(
        _ body: @escaping @Sendable (RunningProcess) throws -> Result
    ) async throws -> Result {
        let running = RunningProcess()
        return try await withTaskCancellationHandler {
            // The death signal follows the thread that spawned.
            try await blocking { try body(running) }
        } onCancel: {
            running.kill()
        }
    }

    fileprivate static func attend<Result>(
        _ child: pid_t, _ running: RunningProcess, ours: consuming OwnedFD, theirs: consuming OwnedFD,
        _ body: (borrowing OwnedFD) throws -> Result
    ) throws -> (Result, ExitStatus) {
        // Ours would hide the end.
        close(theirs.release())
        let result: Result
        do {
            result = try withoutBrokenPipeSignal { try body(ours) }
        } catch {
            running.end()
            close(ours.release())
            _ = try running.wait(child)
            throw error
        }
        close(ours.release())
        return (result, try running.wait(child))
    }
}

extension ConfinedReader {
    /// Gives the program one open file for its input, and its output to a closure, as `PipedCommand.read` does. What it prints on its
    /// standard error is dropped.
    ///
    /// A caller that isn't root has nothing to give up: the program is limited, and runs as the caller does.
    ///
    /// - Parameter file: must stay open meanwhile.
    public func read<Result: Sendable>(
        _ file: CInt, _ body: @escaping @Sendable (borrowing OwnedFD) throws -> Result
    ) async throws -> (Result, ExitStatus) {
        guard geteuid() == 0 else { return try await PipedCommand(limited(file)).read(body) }
        return try await PipedCommand.cancellable { running in
            let pipe = try OwnedFD.pipe()
            let errors = try OwnedFD.open("/dev/null", O_WRONLY)
            let (output, dropped) = (pipe.writing.number, errors.number)
            let child = try running.start(leads: false) { try start(reading: file, output: output, errors: dropped) }
            return try PipedCommand.attend(child, running, ours: pipe.reading, theirs: pipe.writing, body)
        }
    }

    private func limited(_ file: CInt) -> Spawn {
        var spawn = Spawn(program, arguments, environment: environment)
        spawn.descriptors = [file, -1, -1]
        let (addresses, seconds) = (memory * 4, processorSeconds)
        spawn.limits = [
            CInt(RLIMIT_AS.rawValue): .init(soft: addresses, hard: addresses),
            CInt(RLIMIT_CPU.rawValue): .init(soft: seconds, hard: seconds),
        ]
        return spawn
    }
}
