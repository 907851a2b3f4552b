import Glibc
import Linux

/// A whole screen of a terminal: the other one that terminals have, so that what was there comes back. Blocks while it reads keys.
enum TopScreen {
    enum Input: Equatable, Sendable {
        case key(Character)
        case up, down, resized
        case end
    }

    private static let enter = "\u{1B}[?1049h\u{1B}[?25l"
    private static let leave = "\u{1B}[?25h\u{1B}[?1049l"

    /// Replaces what is shown; each line's rest is cleared, and what is below.
    static func show(_ lines: [String]) {
        let text = lines.map { "\($0)\u{1B}[K" }.joined(separator: "\r\n")
        write("\u{1B}[H\(text)\u{1B}[J")
    }

    private static func write(_ text: String) { try? Files.write(text.utf8, to: STDOUT_FILENO, "terminal") }

    /// Takes the screen, has a closure fill it, gives it keys and signals, and gives the screen back: when the closure says so, when a signal
    /// ends the program, and while it is stopped.
    ///
    /// - Parameter onInput: false to end.
    static func run(_ onInput: (Input) -> Bool) throws {
        let signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH])
        while true {
            let raw = RawTerminal()
            write(enter)
            let stops = onInput(.resized) && attend(signals, onInput)
            write(leave)
            _ = consume raw
            guard stops else { return }
            raise(SIGSTOP)
        }
    }

    /// - Returns: whether the program is to be stopped, and to go on later.
    private static func attend(_ signals: borrowing SignalDescriptor, _ onInput: (Input) -> Bool) -> Bool {
        var keys = [UInt8](repeating: 0, count: 64)
        while true {
            var polled = [
                pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&polled, 2, -1) >= 0 || errno == EINTR else { return false }
            while let number = signals.next() {
                switch number {
                case SIGTSTP: return true
                case SIGWINCH: if !onInput(.resized) { return false }
                default:
                    _ = onInput(.end)
                    return false
                }
            }
            guard polled[0].revents != 0 else { continue }
            let count = read(STDIN_FILENO, &keys, keys.count)
            // A terminal that is gone.
            if count <= 0, errno != EINTR {
                _ = onInput(.end)
                return false
            }
            for input in inputs(keys.prefix(max(count, 0))) {
                if input == .key("\u{1A}") { return true }
                if !onInput(input) { return false }
            }
        }
    }

    /// What was typed: letters, and arrows as terminals send them.
    static func inputs(_ bytes: some Collection<UInt8>) -> [Input] {
        var (inputs, rest) = ([Input](), Array(bytes)[...])
        while let byte = rest.popFirst() {
            if byte == 0x1B, rest.count >= 2, rest.first == UInt8(ascii: "[") || rest.first == UInt8(ascii: "O") {
                rest = rest.dropFirst()
                switch rest.popFirst() {
                case UInt8(ascii: "A"): inputs.append(.up)
                case UInt8(ascii: "B"): inputs.append(.down)
                default: break
                }
            } else {
                inputs.append(byte == 3 ? .end : .key(Character(Unicode.Scalar(byte))))
            }
        }
        return inputs
    }
}
