import CLinux
import Fixtures
import Glibc
import Linux

/// A terminal of the test's own, as an operator's: whoever shares it as a controlling terminal can push keys into it.
enum TestTerminal {
    /// Runs `dish` on a terminal, and returns what it printed there and how many keys are waiting in its input at the end.
    static func run(_ host: TestHost, _ arguments: [String], seconds: Int = 120) async throws -> (text: String, keys: Int) {
        var other: CInt = -1
        let master = OwnedFD(adopting: dish_open_terminal(&other))
        let terminal = OwnedFD(adopting: other)
        var settings = termios()
        tcgetattr(terminal.number, &settings)
        cfmakeraw(&settings)
        tcsetattr(terminal.number, TCSANOW, &settings)
        let pid = try host.start(arguments, on: terminal.number, under: ["/usr/bin/setsid", "--ctty", "--wait"])
        let number = master.number
        let text = try await blocking { () throws -> String in
            var shown: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65536)
            var isRunning = true
            let deadline = ContinuousClock.now + .seconds(seconds)
            while true {
                var ready = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
                let found = poll(&ready, 1, isRunning ? 50 : 0)
                if found > 0, case let count = read(number, &chunk, chunk.count), count > 0 {
                    shown += chunk[..<count]
                    continue
                }
                if !isRunning { return String(decoding: shown, as: UTF8.self) }
                if ContinuousClock.now > deadline { kill(pid, SIGKILL) }
                isRunning = waitpid(pid, nil, WNOHANG) == 0
            }
        }
        var waiting: CInt = 0
        // FIONREAD of ioctl_tty(2).
        _ = dish_ioctl(terminal.number, 0x541B, &waiting)
        return (text, Int(waiting))
    }
}
