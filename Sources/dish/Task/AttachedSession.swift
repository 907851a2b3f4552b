import CLinux
import Glibc
import Linux
import TaskHelper

/// Joins this program's standard streams to a task's, through its helper, until the task ends. Blocks.
struct AttachedSession {
    let helper: String
    /// Whether the task's program has a terminal; then this one is made raw.
    let terminal: Bool
    /// Whether standard input is passed.
    let input: Bool

    /// How the task ended; nil when its helper is gone without having said.
    func run() throws -> ExitRecord? {
        let connection = try HelperConnection(helper, deadline: 5000)
        // The helper doesn't read a connection whose input the program doesn't take: signals have one of their own.
        let control = try HelperConnection(helper, deadline: 5000)
        if input { try connection.send(.signal(0)) }
        try connection.send(.attach)
        let raw = terminal && input ? RawTerminal() : nil
        let signals = try SignalDescriptor(terminal ? [SIGWINCH] : [SIGINT, SIGTERM, SIGHUP, SIGQUIT])
        if terminal { try sendWindowSize(control) }
        var readsInput = input
        // What was read, and the helper doesn't take yet.
        var pending: [UInt8]?
        var (output, errors) = (AttachedStream(STDOUT_FILENO, terminal), AttachedStream(STDERR_FILENO, terminal))
        defer {
            output.end()
            errors.end()
        }
        while true {
            var polled = [
                pollfd(
                    fd: connection.descriptor, events: Int16(POLLIN) | (pending == nil ? 0 : Int16(POLLOUT)), revents: 0),
                pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: readsInput && pending == nil ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&polled, 3, -1) >= 0 || errno == EINTR else { throw SystemError("wait for the task") }
            if polled[0].revents & ~Int16(POLLOUT) != 0 {
                switch try connection.receive() {
                case .output(let bytes): try output.print(bytes)
                case .errors(let bytes): try errors.print(bytes)
                case .exited(let record):
                    _ = consume raw
                    return record
                case nil: return nil
                default: break
                }
            }
            // The helper may be gone; what it said last is still to be read.
            if polled[1].revents != 0, let number = signals.next() {
                if number == SIGWINCH { try? sendWindowSize(control) } else { try? control.send(.signal(UInt8(number))) }
            }
            if polled[2].revents != 0 {
                let bytes = readInput()
                pending = bytes
                if bytes.isEmpty { readsInput = false }
            }
            if let bytes = pending, (try? connection.sendNow(.input(bytes))) ?? true { pending = nil }
        }
    }

    private func sendWindowSize(_ connection: HelperConnection) throws {
        if let size = WindowSize.current() { try connection.send(.windowSize(rows: size.rows, columns: size.columns)) }
    }

    private func readInput() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: HelperMessage.capacity - 1)
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        return count > 0 ? Array(bytes[..<count]) : []
    }
}

/// Where a task's output goes: to a terminal cleaned, unless the task has one of its own, which is joined to it.
private struct AttachedStream {
    private let target: CInt
    private var text: PrintableStream?

    init(_ target: CInt, _ hasTerminal: Bool) {
        self.target = target
        text = !hasTerminal && isatty(target) != 0 ? PrintableStream(keepsReturns: true) : nil
    }

    mutating func print(_ bytes: [UInt8]) throws {
        try Files.write(text?.clean(bytes) ?? bytes, to: target, "output")
    }

    mutating func end() {
        if let rest = text?.end() { try? Files.write(rest, to: target, "output") }
    }
}
