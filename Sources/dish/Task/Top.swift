import AgentAPI
import ArgumentParser
import Glibc
import Linux
import Synchronization

struct Top: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Show which tasks use most, live.",
        discussion: """
            Keys: c, m, i, s, p, d, n sort by CPU, memory, I/O, stalled time, processes, disk, name; r reverses; arrows scroll; q quits.
            Rates are since the look before; stalled is the part of the last 10 s in which something waited for CPU, memory or I/O. "-" is
            what this host's kernel doesn't tell. Elsewhere than on a terminal it is printed once.

            Examples:
              dish top
              dish top --sort memory --interval 5
              dish top --once
              dish top --json
            """)

    @Option(help: "Sort by cpu, memory, io, stalled, pids, disk or name.")
    var sort = TopOrder.cpu
    @Option(help: "Seconds between two looks.")
    var interval = 2.0
    @Flag(help: "Print it once.")
    var once = false
    @OptionGroup var json: JSONOption

    func validate() throws {
        if !(interval >= 0.5 && interval <= 3600) { throw ValidationError("--interval must be a number of seconds from 0.5.") }
    }

    func run() async throws {
        let isTerminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
        if once || json.json || !isTerminal { return try await printOnce() }
        let view = TopView(order: sort)
        let (before, pause) = (try await AgentClient.host.usage(), Duration.milliseconds(Int(interval * 1000)))
        view.take(before)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await blocking { try TopScreen.run { view.handle($0) } }
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: pause)
                    do {
                        view.take(try await AgentClient.host.usage())
                    } catch {
                        view.fail("\(error)")
                    }
                    view.show()
                }
            }
            try await group.next()
            group.cancelAll()
        }
    }

    /// Rates take two looks.
    private func printOnce() async throws {
        let before = try await AgentClient.host.usage()
        try await Task.sleep(for: .milliseconds(500))
        let now = try await AgentClient.host.usage()
        if json.json { return try printJSON(now) }
        let table = TopTable(now, since: before)
        let columns = WindowSize.current().map { Int($0.columns) } ?? 200
        for line in table.lines(columns: max(columns, 80), rows: .max, by: sort) { print(line, to: .output) }
    }
}

/// What `dish top` shows: the last look, and how it is to be shown.
private final class TopView: Sendable {
    private struct State {
        var order: TopOrder
        var isReversed = false
        var skipped = 0
        var last: HostUsage?
        var table: TopTable?
        var failure: String?
        var isOver = false
    }

    private let state: Mutex<State>

    init(order: TopOrder) {
        state = Mutex(State(order: order))
    }

    func take(_ usage: HostUsage) {
        state.withLock { state in
            state.table = TopTable(usage, since: state.last)
            (state.last, state.failure) = (usage, nil)
        }
    }

    func fail(_ reason: String) { state.withLock { $0.failure = reason } }

    /// - Returns: whether to go on.
    func handle(_ input: TopScreen.Input) -> Bool {
        let goesOn = state.withLock { state in
            switch input {
            case .end, .key("q"): state.isOver = true
            case .key("r"): state.isReversed.toggle()
            case .key(let key):
                if let order = TopOrder(key: key) { (state.order, state.skipped) = (order, 0) }
            case .up: state.skipped = max(0, state.skipped - 1)
            case .down: state.skipped = min(max(0, (state.table?.rows.count ?? 0) - 1), state.skipped + 1)
            case .resized: break
            }
            return !state.isOver
        }
        if goesOn { show() }
        return goesOn
    }

    /// One at a time, and nothing once the screen was given back.
    func show() {
        state.withLock { state in
            guard !state.isOver, let table = state.table else { return }
            let size = WindowSize.current()
            let (columns, rows) = (Int(size?.columns ?? 80), Int(size?.rows ?? 24))
            var lines = table.lines(
                columns: columns, rows: rows, by: state.order, reversed: state.isReversed, skipping: state.skipped, hasHelp: true)
            if let failure = state.failure { lines[0] = TopTable.fitted(failure, columns) }
            TopScreen.show(Array(lines.prefix(rows)))
        }
    }
}
