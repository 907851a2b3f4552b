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
        try connection.send(.attach)
        let raw = terminal && input ? RawTerminal() : nil
        let signals = try SignalDescriptor(terminal ? [SIGWINCH] : [SIGINT, SIGTERM, SIGHUP, SIGQUIT])
        if terminal { try sendWindowSize(connection) }
        var readsInput = input
        while true {
            var polled = [
                pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: readsInput ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&polled, 3, -1) >= 0 || errno == EINTR else { throw SystemError("wait for the task") }
            if polled[0].revents != 0 {
                switch try connection.receive() {
                case .output(let bytes): try Files.write(bytes, to: STDOUT_FILENO, "standard output")
                case .errors(let bytes): try Files.write(bytes, to: STDERR_FILENO, "standard error")
                case .exited(let record):
                    _ = consume raw
                    return record
                case nil: return nil
                default: break
                }
            }
            if polled[1].revents != 0, let number = signals.next() {
                if number == SIGWINCH { try sendWindowSize(connection) } else { try connection.send(.signal(UInt8(number))) }
            }
            if polled[2].revents != 0 {
                let bytes = readInput()
                try connection.send(.input(bytes))
                if bytes.isEmpty { readsInput = false }
            }
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
