import CLinux
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
    /// The program failed by itself, and not because its output was closed.
    public struct Failure: Error, CustomStringConvertible {
        public let program: String
        public let status: ExitStatus
        /// The first line that it printed on its standard error, without its own name; empty for none.
        public let complaint: String

        public var description: String { "\(program) failed: \(complaint.isEmpty ? "it ended with \(status)" : complaint)" }
    }

    /// Bytes of the output that are read on after the closure, to learn whether the program fails.
    private static let rest = 16 << 20

    /// Gives the program one open file for its input, and its output to a closure, as `PipedCommand.read` does.
    ///
    /// A caller that isn't root has nothing to give up: the program is limited, and runs as the caller does.
    ///
    /// - Parameter file: must stay open meanwhile.
    /// - Throws: `Failure` when the program fails, even where the closure has thrown because of that; what the closure throws.
    public func read<Result: Sendable>(
        _ file: CInt, _ body: @escaping @Sendable (borrowing OwnedFD) throws -> Result
    ) async throws -> Result {
        let errors = try OwnedFD.pipe()
        // A program that complains more than a pipe holds doesn't wait for us.
        _ = dish_fcntl(errors.writing.number, F_SETFL, Int(O_NONBLOCK))
        let isConfined = geteuid() == 0
        let (complaints, heard) = (errors.writing.number, errors.reading.number)
        let (result, status) = try await PipedCommand.cancellable { running in
            let pipe = try OwnedFD.pipe()
            let output = pipe.writing.number
            let child: pid_t
            if isConfined {
                child = try running.start(leads: false) { try start(reading: file, output: output, errors: complaints) }
            } else {
                var spawn = limited(file)
                spawn.deathSignal = SIGKILL
                (spawn.descriptors[1], spawn.descriptors[2]) = (output, complaints)
                child = try running.start(spawn)
            }
            return try PipedCommand.attendAll(child, running, ours: pipe.reading, theirs: pipe.writing, rest: Self.rest, body)
        }
        close(errors.writing.release())
        let failure = Failure(program: Files.name(of: program), status: status, complaint: Self.firstLine(heard))
        switch result {
        case .success(let value):
            if status.isSuccess { return value }
            throw failure
        case .failure(let error): throw status.isSuccess ? error : failure
        }
    }

    /// - Parameter pipe: whose other end is closed.
    private static func firstLine(_ pipe: CInt) -> String {
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = (try? retryingInterrupts("read from", "pipe") { Glibc.read(pipe, &buffer, buffer.count) }) ?? 0
        let lines = buffer[..<max(0, count)].split(separator: UInt8(ascii: "\n"))
        let line = (lines.first ?? []).map { $0 < 32 || $0 > 126 ? UInt8(ascii: "?") : $0 }
        // `gzip: stdin: unexpected end of file`
        let parts = String(decoding: line, as: UTF8.self).split(separator: ":").map { $0.drop { $0 == " " } }
        let names = parts.prefix { $0.hasSuffix("stdin") || $0.hasPrefix("/*stdin") || !$0.contains(" ") }
        return parts.dropFirst(max(0, min(names.count, parts.count - 1))).joined(separator: ": ")
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

extension PipedCommand {
    /// As `attend`, and says how the program ended in any case: what the closure complains of may be no more than what became of the
    /// program. A program that has more to say than `rest` bytes is ended, which is no failure of its own.
    fileprivate static func attendAll<Result>(
        _ child: pid_t, _ running: RunningProcess, ours: consuming OwnedFD, theirs: consuming OwnedFD, rest: Int,
        _ body: (borrowing OwnedFD) throws -> Result
    ) throws -> (Swift.Result<Result, any Error>, ExitStatus) {
        close(theirs.release())
        let result = Swift.Result { try withoutBrokenPipeSignal { try body(ours) } }
        // A closure that has all it wants leaves padding behind, which the program must not fail to write.
        var isAtEnd = false
        if case .failure(let error) = result, error is CancellationError {} else { isAtEnd = skip(rest, of: ours.number) }
        if !isAtEnd { running.end() }
        close(ours.release())
        let status = try running.wait(child)
        return (result, isAtEnd ? status : .code(0))
    }

    /// - Returns: whether that was all.
    private static func skip(_ most: Int, of pipe: CInt) -> Bool {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        var left = most
        while left > 0 {
            let count =
                (try? retryingInterrupts("read from", "pipe") { Glibc.read(pipe, buffer.baseAddress, buffer.count) }) ?? -1
            if count < 0 { return false }
            if count == 0 { return true }
            left -= count
        }
        return false
    }
}
