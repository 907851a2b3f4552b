import CLinux
import Glibc
import Linux

/// Joins this program's terminal to one inside a task, where a command runs on it. Blocks.
struct TerminalSession {
    /// Runs a command that joins namespaces, and returns its exit code.
    func run(_ command: Spawn) throws -> CInt {
        var sockets: [CInt] = [-1, -1]
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        try retryingInterrupts("create sockets") { socketpair(AF_UNIX, type, 0, &sockets) }
        let ours = OwnedFD(adopting: sockets[0])
        let theirs = OwnedFD(adopting: sockets[1])
        var command = command
        command.join?.terminal = theirs.number
        let child = try command.start()
        _ = consume theirs
        let received = dish_receive_descriptor(ours.number)
        guard received >= 0 else { throw SystemError("open a terminal in the task") }
        let master = OwnedFD(adopting: received)
        let raw = RawTerminal()
        let signals = try SignalDescriptor([SIGWINCH])
        resize(master)
        relay(master, signals)
        _ = consume raw
        return try ExitStatus.wait(for: child).shellCode
    }

    private func resize(_ master: borrowing OwnedFD) {
        if let size = WindowSize.current() { _ = dish_set_window_size(master.number, size.rows, size.columns) }
    }

    /// Until the terminal inside has no more users.
    private func relay(_ master: borrowing OwnedFD, _ signals: borrowing SignalDescriptor) {
        var readsInput = true
        var buffer = [UInt8](repeating: 0, count: 32768)
        while true {
            var polled = [
                pollfd(fd: master.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: readsInput ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&polled, 3, -1) >= 0 || errno == EINTR else { return }
            if polled[0].revents != 0 {
                let count = read(master.number, &buffer, buffer.count)
                if count <= 0, errno != EINTR { return }
                if count > 0 { try? Files.write(buffer[..<count], to: STDOUT_FILENO, "standard output") }
            }
            if polled[1].revents != 0, signals.next() != nil { resize(master) }
            if polled[2].revents != 0 {
                let count = read(STDIN_FILENO, &buffer, buffer.count)
                if count > 0 {
                    try? Files.write(buffer[..<count], to: master.number, "terminal")
                } else {
                    // End of input, as a terminal tells it: ^D.
                    readsInput = false
                    try? Files.write([4], to: master.number, "terminal")
                }
            }
        }
    }
}
