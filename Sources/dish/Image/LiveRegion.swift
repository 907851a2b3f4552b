import Glibc
import Linux
import Synchronization

/// Lines at the bottom of a terminal that are drawn anew while other lines scroll by above them.
final class LiveRegion: Sendable {
    private struct State {
        var drawn = 0
        var isOver = false
    }

    private let state = Mutex(State())
    private let content: @Sendable () -> [String]

    /// Nil when standard error is no terminal that can do this.
    ///
    /// - Parameter content: the lines to show now.
    init?(_ content: @escaping @Sendable () -> [String]) {
        guard isatty(STDERR_FILENO) == 1, let terminal = environmentVariable("TERM"), terminal != "dumb" else { return nil }
        self.content = content
    }

    /// Redraws until `end`. Where there can be no more threads it is redrawn only with each line.
    func start() {
        try? startThread { [self] in
            while state.withLock({ !$0.isOver }) {
                redraw(above: "")
                usleep(100_000)
            }
        }
    }

    /// Prints a line that stays, above the region.
    func line(_ text: String) { redraw(above: printable(text) + "\n") }

    /// Takes the region away.
    func end() {
        state.withLock { state in
            guard !state.isOver else { return }
            state.isOver = true
            write(erasing(state.drawn))
        }
    }

    private func redraw(above text: String) {
        let lines = content()
        state.withLock { state in
            if state.isOver { return write(text) }
            // A terminal that doesn't know its size says 0.
            let columns = Int(WindowSize.current()?.columns ?? 0)
            let shown = lines.map { String(oneLine($0).prefix(columns > 1 ? columns - 1 : 79)) + "\n" }.joined()
            write(erasing(state.drawn) + text + shown)
            state.drawn = lines.count
        }
    }

    /// Up to the region's first line, and everything from there on cleared.
    private func erasing(_ lines: Int) -> String {
        lines == 0 ? "" : "\u{1B}[\(lines)F\u{1B}[J"
    }

    private func write(_ text: String) {
        try? Files.write(text.utf8, to: STDERR_FILENO, "terminal")
    }
}
