import CLinux
import Glibc
import Linux

/// Joins this program's standard streams to pipes of a command, which gets no descriptor of this program. Blocks.
///
/// Each stream has a thread, so that one that nobody reads holds no other up. What is under way is bounded by the pipes and one buffer.
/// What goes to a terminal is cleaned.
struct PipedSession {
    /// True if SIGINT, SIGTERM, SIGHUP and SIGQUIT of this program are passed on to the command; else they do what they did before. The
    /// second signal kills it, and so does the first after `patience`.
    var heedsSignals = true

    private static let patience = Duration.seconds(10)

    /// Bytes, of a pipe and of what is passed at once.
    private static let capacity = 256 << 10
    /// F_SETPIPE_SZ: fcntl(2).
    private static let setPipeSize: CInt = 1031

    /// Runs a command that joins namespaces, and returns its exit code. It ends with the command. What has been written by then is passed
    /// on; something that is left behind is listened to for a moment (`Rest`).
    func run(_ command: Spawn) throws -> CInt {
        // Reading a terminal in the background fails instead of stopping this program.
        signal(SIGTTIN, SIG_IGN)
        let (input, output, errors) = (try Self.pipe(), try Self.pipe(), try Self.pipe())
        var command = command
        command.descriptors = [input.reading, output.writing, errors.writing]
        let child = try command.start()
        let ending = try OwnedFD.ofProcess(child)
        // A thread that waits for a terminal or a pipe ends with this program; only of a file something is given back.
        var status = stat()
        let isFile = fstat(STDIN_FILENO, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        let unread = isFile ? dup(input.reading) : -1
        // The child has its own copies; ours would hide the end.
        for end in [input.reading, output.writing, errors.writing] { close(end) }
        let (finished, ended) = (try Self.pipe(), ending.number)
        try Self.relay(output.reading, to: STDOUT_FILENO, ended, dup(finished.writing))
        try Self.relay(errors.reading, to: STDERR_FILENO, ended, dup(finished.writing))
        let done = isFile ? dup(finished.writing) : -1
        let relay = InputRelay(target: input.writing, ending: ended, unread: unread, buffer: Self.buffer())
        try startThread {
            relay.run()
            close(done)
        }
        close(finished.writing)
        let code = try wait(for: child, ended, relays: finished.reading)
        close(finished.reading)
        _ = consume ending
        return code
    }

    /// Waits for the command, then for the relays, which nobody may read.
    ///
    /// - Parameter relays: a pipe whose end is there when the last of the threads has closed it.
    private func wait(for child: pid_t, _ ending: CInt, relays: CInt) throws -> CInt {
        guard heedsSignals else {
            let code = try ExitStatus.wait(for: child).shellCode
            _ = Self.isReadable(relays, within: nil)
            return code
        }
        let signals = try SignalDescriptor([SIGINT, SIGTERM, SIGHUP, SIGQUIT])
        var received: CInt?
        var isKilled = false
        var deadline: ContinuousClock.Instant?
        while !Self.isReadable(ending, or: signals.number, until: deadline) {
            guard !isKilled else {
                // Even the process that passes signals on doesn't run: that of a frozen task, or of a stopped one.
                kill(child, SIGKILL)
                deadline = nil
                _ = signals.next()
                continue
            }
            let number = signals.next()
            if let number, received == nil {
                kill(child, number)
                (received, deadline) = (number, .now + Self.patience)
            } else if number != nil || deadline.map({ .now >= $0 }) ?? false {
                kill(child, Spawn.Join.endSignal)
                (isKilled, deadline) = (true, .now + .seconds(1))
            }
        }
        let code = try ExitStatus.wait(for: child).shellCode
        if let received {
            _ = Self.isReadable(relays, within: .seconds(1))
            return isKilled ? 128 + received : code
        }
        if Self.isReadable(relays, or: signals.number, until: nil) { return code }
        // There is nothing left to pass a signal on to.
        let number = signals.next() ?? SIGTERM
        _ = Self.isReadable(relays, within: .seconds(1))
        return 128 + number
    }

    private static func isReadable(_ descriptor: CInt, within time: Duration?) -> Bool {
        isReadable(descriptor, or: -1, until: time.map { .now + $0 })
    }

    /// Waits until a descriptor or another is readable, or the time is over.
    ///
    /// - Returns: whether the first one is.
    private static func isReadable(_ descriptor: CInt, or other: CInt, until end: ContinuousClock.Instant?) -> Bool {
        while true {
            let (count, isFirst, _) = poll(descriptor, POLLIN, other, POLLIN, end.map { ($0 - .now).pollTime } ?? -1)
            if count < 0, errno == EINTR { continue }
            return count > 0 && isFirst
        }
    }

    private static func pipe() throws -> (reading: CInt, writing: CInt) {
        var ends: [CInt] = [-1, -1]
        try retryingInterrupts("create pipe") { dish_pipe(&ends) }
        // As much as it is by default where that is refused.
        _ = dish_fcntl(ends[1], setPipeSize, capacity)
        return (ends[0], ends[1])
    }

    /// Bytes to read into, for as long as this program runs. What is never read takes no memory: most commands say little.
    fileprivate static func buffer() -> RelayBuffer { RelayBuffer(bytes: .allocate(byteCount: capacity, alignment: 1)) }

    /// poll(2) of two descriptors, without allocating; -1 for none.
    fileprivate static func poll(
        _ first: CInt, _ events: CInt, _ second: CInt, _ others: CInt, _ milliseconds: CInt
    ) -> (result: CInt, isFirst: Bool, isSecond: Bool) {
        var polled = (
            pollfd(fd: first, events: Int16(events), revents: 0), pollfd(fd: second, events: Int16(others), revents: 0)
        )
        let result = withUnsafeMutableBytes(of: &polled) {
            Glibc.poll($0.bindMemory(to: pollfd.self).baseAddress, 2, milliseconds)
        }
        return (result, polled.0.revents != 0, polled.1.revents != 0)
    }

    /// Passes on what a command writes, on a thread of its own.
    private static func relay(_ source: CInt, to target: CInt, _ ending: CInt, _ finished: CInt) throws {
        // A thread that allocates nothing needs no arena of its own, which takes longer to make than most commands' output to pass.
        let buffer = buffer()
        try startThread {
            pass(source, to: target, ending, buffer.bytes)
            close(source)
            close(finished)
        }
    }

    private static func pass(_ source: CInt, to target: CInt, _ ending: CInt, _ buffer: UnsafeMutableRawBufferPointer) {
        _ = dish_fcntl(source, F_SETFL, Int(O_NONBLOCK))
        var text = isatty(target) != 0 ? PrintableStream(keepsReturns: true) : nil
        defer { text?.end().withUnsafeBytes { _ = write($0, to: target) } }
        var rest: Rest?
        while true {
            let (ready, _, hasEnded) = poll(source, POLLIN, rest == nil ? ending : -1, POLLIN, rest?.patience ?? -1)
            guard ready >= 0 || errno == EINTR else { return }
            if rest == nil, hasEnded { rest = Rest() }
            if ready == 0 || rest?.isOver == true { rest?.takeLast(of: source) }
            guard rest?.left != 0 else { return }
            let count = read(source, buffer.baseAddress, min(buffer.count, rest?.left ?? .max))
            if count == 0 { return }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN && rest?.isLast != true { continue }
                return
            }
            // The command then learns that nobody reads, as it would without this program.
            let start = ContinuousClock.now
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            let isWritten = text?.clean(Array(bytes)).withUnsafeBytes { write($0, to: target) } ?? write(bytes, to: target)
            guard isWritten else { return }
            rest?.passed(count, in: .now - start)
        }
    }

    /// The output that is still passed on after the command's end: until all ends are closed, nothing comes for a moment, or it has been too long or too
    /// much; then what the pipe holds. A filter that the command wrote through, as in `exec > >(tee log)`, ends a little later.
    private struct Rest {
        /// Without the time that whoever reads it takes.
        private var end = ContinuousClock.now + .seconds(2)
        /// Bytes.
        private(set) var left = 16 << 20
        private(set) var isLast = false

        /// Milliseconds, for poll(2).
        var patience: CInt { isLast ? 0 : min(250, (end - .now).pollTime) }

        var isOver: Bool { !isLast && (left == 0 || .now >= end) }

        mutating func takeLast(of source: CInt) {
            guard !isLast else { return }
            var waiting: CInt = 0
            left = dish_ioctl(source, UInt(FIONREAD), &waiting) == 0 ? Int(waiting) : 0
            isLast = true
        }

        mutating func passed(_ count: Int, in time: Duration) {
            left = max(0, left - count)
            end += time
        }
    }

    /// - Returns: whether all was written. Others that have the same terminal or socket may have made it non-blocking.
    private static func write(_ bytes: UnsafeRawBufferPointer, to target: CInt) -> Bool {
        var left = bytes[...]
        while !left.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: left)
            let count = Glibc.write(target, part.baseAddress, part.count)
            if count >= 0 {
                left = left.dropFirst(count)
            } else if errno == EAGAIN {
                _ = poll(target, POLLOUT, -1, 0, -1)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}

/// The memory that one relay reads into. Unchecked, because it is handed to that relay's thread alone.
private struct RelayBuffer: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
}

/// Passes standard input on to a pipe, until either ends or the command does.
private struct InputRelay {
    let target: CInt
    /// A pidfd of the command.
    let ending: CInt
    /// Where standard input is a file: the other end of the pipe, which tells what the command didn't read. That stays unread for whoever
    /// reads the file next. Else -1.
    let unread: CInt
    let buffer: RelayBuffer

    func run() {
        let pending = pass()
        close(target)
        guard unread >= 0 else { return }
        defer { close(unread) }
        while PipedSession.poll(ending, POLLIN, -1, 0, -1).result < 0, errno == EINTR {}
        var left: CInt = 0
        guard dish_ioctl(unread, UInt(FIONREAD), &left) == 0 else { return }
        lseek(STDIN_FILENO, -off_t(pending + Int(left)), SEEK_CUR)
    }

    /// - Returns: how many bytes were read and not passed on.
    private func pass() -> Int {
        _ = dish_fcntl(target, F_SETFL, Int(O_NONBLOCK))
        let bytes = buffer.bytes
        var pending = bytes[..<0]
        while true {
            let (other, events) = pending.isEmpty ? (STDIN_FILENO, POLLIN) : (target, POLLOUT)
            let (ready, hasEnded, isReady) = PipedSession.poll(ending, POLLIN, other, events, -1)
            guard ready >= 0 || errno == EINTR else { return pending.count }
            if hasEnded { return pending.count }
            guard isReady else { continue }
            if pending.isEmpty {
                let count = read(STDIN_FILENO, bytes.baseAddress, bytes.count)
                if count == 0 { return 0 }
                if count > 0 {
                    pending = bytes[..<count]
                } else if errno == EIO, isatty(STDIN_FILENO) != 0 {
                    // In the background: until it is brought to the front.
                    usleep(200_000)
                } else if errno != EINTR, errno != EAGAIN {
                    return 0
                }
            } else {
                let part = UnsafeRawBufferPointer(rebasing: pending)
                let count = write(target, part.baseAddress, part.count)
                if count > 0 { pending = pending.dropFirst(count) }
                if count < 0, errno != EINTR, errno != EAGAIN { return pending.count }
            }
        }
    }
}

extension Duration {
    /// For poll(2): milliseconds, rounded up; 0 for what is over.
    fileprivate var pollTime: CInt {
        let (seconds, attoseconds) = components
        return CInt(clamping: max(0, seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
    }
}
