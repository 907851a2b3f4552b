import AgentAPI
import ArgumentParser
import Glibc
import Linux
import Spec

struct Stats: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Show what tasks use, anew each second.",
        discussion: """
            "-" is what this host's kernel doesn't tell. Elsewhere than on a terminal it is printed once.

            Examples:
              dish stats
              dish stats web db --no-stream
              dish stats --json
            """)

    @Argument(help: "Names or ids (default: all that run).", completion: .task)
    var tasks: [String] = []
    @Flag(inversion: .prefixedNo, help: "Go on until it is interrupted.")
    var stream = true
    @OptionGroup var json: JSONOption

    func run() async throws {
        // What a CPU was used for takes two looks.
        var usage = try await read()
        if json.json || !stream || isatty(STDOUT_FILENO) != 1 {
            if usage.tasks.contains(where: { $0.cpu != nil && $0.cpu?.percent == nil }) {
                try await Task.sleep(for: .milliseconds(500))
                usage = try await read()
            }
            if json.json { return try printJSON(usage) }
            for line in Self.lines(usage) { print(line, to: .output) }
            return
        }
        while true {
            let rows = Int(WindowSize.current()?.rows ?? 24)
            // From the first line of the screen, what was there cleared.
            let shown = Self.lines(usage).prefix(max(rows - 1, 2)).joined(separator: "\u{1B}[K\n")
            printUnchanged("\u{1B}[H\(shown)\u{1B}[K\u{1B}[J", to: .output)
            try await Task.sleep(for: .seconds(1))
            usage = try await read()
        }
    }

    private func read() async throws -> HostUsage {
        var all = try await AgentClient.host.usage()
        if tasks.isEmpty { return all }
        all.tasks = try tasks.map { name in
            guard let task = all.tasks.first(where: { $0.name == name || $0.id.hasPrefix(name) && name.utf8.count >= 3 }) else {
                throw AgentError(.notFound, "no task '\(name)' runs; see what does: dish ps --running")
            }
            return task
        }
        return all
    }

    private static func lines(_ usage: HostUsage) -> [String] {
        var lines = table(
            [
                "NAME", "CLASS", "CPU", "MEMORY / LIMIT", "IO READ / WRITTEN", "PIDS", "DISK / LIMIT", "STALLED CPU MEM IO",
                "EVENTS",
            ],
            usage.tasks.map(row))
        lines.append("")
        lines.append(total(usage.host))
        return lines
    }

    private static func row(_ task: TaskUsage) -> [String] {
        let stalls = [task.pressure.cpu, task.pressure.memory, task.pressure.io].map { percent($0?.some.average10) }
        return [
            task.name, task.class.rawValue, percent(task.cpu?.percent),
            "\(shownBytes(task.memory?.current)) / \(shownBytes(task.limits.memory))",
            task.io.map { "\(shownBytes($0.readBytes)) / \(shownBytes($0.writtenBytes))" } ?? "-",
            task.pids.map { pids in "\(pids.current)" + (task.limits.pids.map { " / \($0)" } ?? "") } ?? "-",
            "\(shownBytes(task.disk?.used)) / \(shownBytes(task.disk?.limit))", stalls.joined(separator: " "),
            events(task),
        ]
    }

    /// What went wrong for want of something.
    private static func events(_ task: TaskUsage) -> String {
        var parts: [String] = []
        if let periods = task.cpu?.throttledPeriods, periods > 0 { parts.append("throttled \(periods)") }
        if let kills = task.memory?.kills, kills > 0 { parts.append("killed \(kills)") }
        if let refused = task.pids?.refused, refused > 0 { parts.append("forks refused \(refused)") }
        return parts.isEmpty ? "-" : parts.joined(separator: ", ")
    }

    private static func total(_ host: HostCapacity) -> String {
        "\(host.name): CPUs \(cpus(host.cpu.total)), \(cpus(host.cpu.reserved)) set aside, \(host.cpu.used.map(cpus) ?? "-") used; "
            + "memory \(shownBytes(host.memory.total)), \(shownBytes(host.memory.reserved)) set aside, \(shownBytes(host.memory.used)) used"
    }
}

/// "12.5%"; "-" for what isn't known.
func percent(_ value: Double?) -> String {
    guard let value else { return "-" }
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)%"
}

/// Thousandths of a CPU for people.
func cpus(_ thousandths: UInt64) -> String {
    thousandths % 1000 == 0 ? "\(thousandths / 1000)" : "\(Double(thousandths) / 1000)"
}
