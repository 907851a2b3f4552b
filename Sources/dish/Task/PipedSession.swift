import CLinux
import Glibc
import Linux

/// Joins this program's standard streams to pipes of a command, which gets no descriptor of this program. Blocks.
///
/// Each stream has a thread, so that one that nobody reads holds no other up. What is under way is bounded by the pipes and one buffer.
/// What goes to a terminal is cleaned.
struct PipedSession {
    /// Whether SIGINT, SIGTERM, SIGHUP and SIGQUIT of this program end the command; else they do what they did before.
    var heedsSignals = true

    /// Bytes, of a pipe and of what is passed at once.
    private static let capacity = 256 << 10
    /// F_SETPIPE_SZ: fcntl(2).
    private static let setPipeSize: CInt = 1031

    /// Runs a command and returns its exit code. It ends with the command: what has been written by then is passed on, what something
    /// that is left behind writes later isn't.
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
        try startThread {
            InputRelay(target: input.writing, ending: ended, unread: unread).run()
            close(done)
        }
        close(finished.writing)
        let code = try wait(for: child, ended)
        // Its end is there when the last of the threads has closed it.
        _ = try? Files.read(OwnedFD(adopting: finished.reading), "pipe")
        _ = consume ending
        return code
    }

    private func wait(for child: pid_t, _ ending: CInt) throws -> CInt {
        guard heedsSignals else { return try ExitStatus.wait(for: child).shellCode }
        let signals = try SignalDescriptor([SIGINT, SIGTERM, SIGHUP, SIGQUIT])
        var received: CInt?
        while received == nil {
            var polled = [
                pollfd(fd: ending, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&polled, 2, -1) >= 0 || errno == EINTR else { throw SystemError("wait for the command") }
            if polled[0].revents != 0 { break }
            if polled[1].revents != 0 { received = signals.next() }
        }
        if received != nil { kill(child, SIGKILL) }
        let code = try ExitStatus.wait(for: child).shellCode
        return received.map { 128 + $0 } ?? code
    }

    private static func pipe() throws -> (reading: CInt, writing: CInt) {
        var ends: [CInt] = [-1, -1]
        try retryingInterrupts("create pipe") { dish_pipe(&ends) }
        // As much as it is by default where that is refused.
        _ = dish_fcntl(ends[1], setPipeSize, capacity)
        return (ends[0], ends[1])
    }

    /// Passes on what a command writes, on a thread of its own.
    private static func relay(_ source: CInt, to target: CInt, _ ending: CInt, _ finished: CInt) throws {
        try startThread {
            pass(source, to: target, ending)
            close(source)
            close(finished)
        }
    }

    private static func pass(_ source: CInt, to target: CInt, _ ending: CInt) {
        _ = dish_fcntl(source, F_SETFL, Int(O_NONBLOCK))
        var buffer = [UInt8](repeating: 0, count: capacity)
        var text = isatty(target) != 0 ? PrintableStream(keepsReturns: true) : nil
        defer { if let end = text?.end() { _ = write(end[...], to: target) } }
        // What there is to take once the command has ended; nil before.
        var rest: Int?
        while rest.map({ $0 > 0 }) ?? true {
            if rest == nil {
                var polled = [
                    pollfd(fd: source, events: Int16(POLLIN), revents: 0), pollfd(fd: ending, events: Int16(POLLIN), revents: 0),
                ]
                guard poll(&polled, 2, -1) >= 0 || errno == EINTR else { return }
                if polled[1].revents != 0 {
                    var waiting: CInt = 0
                    guard dish_ioctl(source, UInt(FIONREAD), &waiting) == 0 else { return }
                    rest = Int(waiting)
                    continue
                }
            }
            let count = read(source, &buffer, min(buffer.count, rest ?? .max))
            if count == 0 { return }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN && rest == nil { continue }
                return
            }
            rest = rest.map { $0 - count }
            // The command then learns that nobody reads, as it would without this program.
            guard write(text?.clean(Array(buffer[..<count]))[...] ?? buffer[..<count], to: target) else { return }
        }
    }

    /// - Returns: whether all was written. Others that have the same terminal or socket may have made it non-blocking.
    private static func write(_ bytes: ArraySlice<UInt8>, to target: CInt) -> Bool {
        var left = bytes
        while !left.isEmpty {
            let count = left.withUnsafeBytes { Glibc.write(target, $0.baseAddress, $0.count) }
            if count >= 0 {
                left = left.dropFirst(count)
            } else if errno == EAGAIN {
                var polled = pollfd(fd: target, events: Int16(POLLOUT), revents: 0)
                _ = poll(&polled, 1, -1)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}

/// Passes standard input on to a pipe, until either ends or the command does.
private struct InputRelay {
    let target: CInt
    /// A pidfd of the command.
    let ending: CInt
    /// Where standard input is a file: the other end of the pipe, which tells what the command didn't read. That stays unread for whoever
    /// reads the file next. Else -1.
    let unread: CInt

    func run() {
        let pending = pass()
        close(target)
        guard unread >= 0 else { return }
        defer { close(unread) }
        var polled = pollfd(fd: ending, events: Int16(POLLIN), revents: 0)
        while poll(&polled, 1, -1) < 0, errno == EINTR {}
        var left: CInt = 0
        guard dish_ioctl(unread, UInt(FIONREAD), &left) == 0 else { return }
        lseek(STDIN_FILENO, -off_t(pending + Int(left)), SEEK_CUR)
    }

    /// - Returns: how many bytes were read and not passed on.
    private func pass() -> Int {
        _ = dish_fcntl(target, F_SETFL, Int(O_NONBLOCK))
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        var pending = buffer[..<0]
        while true {
            var polled = [
                pollfd(fd: ending, events: Int16(POLLIN), revents: 0),
                pending.isEmpty
                    ? pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                    : pollfd(fd: target, events: Int16(POLLOUT), revents: 0),
            ]
            guard poll(&polled, 2, -1) >= 0 || errno == EINTR else { return pending.count }
            if polled[0].revents != 0 { return pending.count }
            guard polled[1].revents != 0 else { continue }
            if pending.isEmpty {
                let count = read(STDIN_FILENO, &buffer, buffer.count)
                if count == 0 { return 0 }
                if count > 0 {
                    pending = buffer[..<count]
                } else if errno == EIO, isatty(STDIN_FILENO) != 0 {
                    // In the background: until it is brought to the front.
                    usleep(200_000)
                } else if errno != EINTR, errno != EAGAIN {
                    return 0
                }
            } else {
                let count = pending.withUnsafeBytes { write(target, $0.baseAddress, $0.count) }
                if count > 0 { pending = pending.dropFirst(count) }
                if count < 0, errno != EINTR, errno != EAGAIN { return pending.count }
            }
        }
    }
}
