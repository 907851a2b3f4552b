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
        let ending = try OwnedFD.ofProcess(child)
        _ = consume theirs
        let received = dish_receive_descriptor(ours.number)
        guard received >= 0 else { throw SystemError("open a terminal in the task") }
        let master = OwnedFD(adopting: received)
        let raw = RawTerminal()
        let signals = try SignalDescriptor([SIGWINCH])
        resize(master)
        relay(master, signals, ending)
        _ = consume raw
        return try ExitStatus.wait(for: child).shellCode
    }

    private func resize(_ master: borrowing OwnedFD) {
        if let size = WindowSize.current() { _ = dish_set_window_size(master.number, size.rows, size.columns) }
    }

    /// Until the terminal inside has no more users, or the command has ended: what it left running may keep the terminal.
    private func relay(_ master: borrowing OwnedFD, _ signals: borrowing SignalDescriptor, _ ending: borrowing OwnedFD) {
        // A program that doesn't read its input still has its output shown.
        _ = dish_fcntl(master.number, F_SETFL, Int(O_NONBLOCK))
        var readsInput = true
        var buffer = [UInt8](repeating: 0, count: 32768)
        var pending: ArraySlice<UInt8> = []
        // Terminals hold less than this.
        var rest = Int.max
        while rest > 0 {
            let hasEnded = rest != .max
            var polled = [
                pollfd(fd: master.number, events: Int16(POLLIN) | (pending.isEmpty ? 0 : Int16(POLLOUT)), revents: 0),
                pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: readsInput && pending.isEmpty ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: hasEnded ? -1 : ending.number, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&polled, 4, hasEnded ? 0 : -1) >= 0 || errno == EINTR else { return }
            if polled[3].revents != 0 { rest = 65536 }
            if polled[0].revents & ~Int16(POLLOUT) != 0 {
                let count = read(master.number, &buffer, buffer.count)
                if count <= 0, errno != EINTR, errno != EAGAIN { return }
                if count > 0 { try? Files.write(buffer[..<count], to: STDOUT_FILENO, "standard output") }
                if hasEnded { rest -= max(count, 0) }
            } else if hasEnded {
                return
            }
            if polled[0].revents & Int16(POLLOUT) != 0 {
                let count = pending.withUnsafeBytes { write(master.number, $0.baseAddress, $0.count) }
                if count > 0 { pending = pending.dropFirst(count) }
            }
            if polled[1].revents != 0, signals.next() != nil { resize(master) }
            if polled[2].revents != 0 {
                let count = read(STDIN_FILENO, &buffer, 4096)
                if count > 0 {
                    pending = buffer[..<count]
                } else if count == 0 || errno != EINTR && errno != EAGAIN {
                    // End of input, as a terminal tells it: ^D.
                    readsInput = false
                    pending = [4]
                }
            }
        }
    }
}
