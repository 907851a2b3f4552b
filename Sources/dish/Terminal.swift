import CLinux
import Glibc
import Linux

/// The terminal on standard input in raw mode: what is typed goes on as it is. Restored when this value goes.
struct RawTerminal: ~Copyable {
    private let saved: termios

    /// Nil when standard input is no terminal.
    init?() {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
        saved = settings
        cfmakeraw(&settings)
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }

    deinit {
        var settings = saved
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }
}

/// A terminal's size in characters.
struct WindowSize {
    let rows: UInt16
    let columns: UInt16

    /// Of the terminal on standard input or output; nil when neither is one.
    static func current() -> WindowSize? {
        var (rows, columns): (UInt16, UInt16) = (0, 0)
        for descriptor in [STDIN_FILENO, STDOUT_FILENO] where dish_get_window_size(descriptor, &rows, &columns) == 0 {
            return WindowSize(rows: rows, columns: columns)
        }
        return nil
    }
}

/// Signals as something to poll: each arrives as a byte in a pipe.
struct SignalDescriptor: ~Copyable {
    private let pipe: OwnedFD

    var number: CInt { pipe.number }

    /// There is one of these in a program.
    init(_ signals: [CInt]) throws {
        var ends: [CInt] = [-1, -1]
        try retryingInterrupts("create pipe") { dish_pipe(&ends) }
        _ = dish_fcntl(ends[0], F_SETFL, Int(O_NONBLOCK))
        signalPipe = ends[1]
        pipe = OwnedFD(adopting: ends[0])
        for number in signals {
            signal(number) { received in
                var byte = UInt8(truncatingIfNeeded: received)
                _ = write(signalPipe, &byte, 1)
            }
        }
    }

    /// The next signal that has arrived.
    func next() -> CInt? {
        var byte: UInt8 = 0
        return read(pipe.number, &byte, 1) == 1 ? CInt(byte) : nil
    }
}

/// Written once, before the handlers that read it are installed.
nonisolated(unsafe) private var signalPipe: CInt = -1
