import AgentAPI

/// The screen of `dish top`: what the host and tasks use, and how fast.
struct TopTable {
    /// What a task used between two looks.
    struct Row: Equatable {
        var usage: TaskUsage
        /// Bytes a second; nil at the first look.
        var readRate: Double?
        var writeRate: Double?

        /// Percent of the last ten seconds: the worst of CPU, memory and I/O.
        var stalled: Double? {
            let pressure = usage.pressure
            return [pressure.cpu, pressure.memory, pressure.io].compactMap { $0?.some.average10 }.max()
        }
    }

    private(set) var host: HostCapacity
    private(set) var rows: [Row]

    /// - Parameter before: an earlier look.
    init(_ now: HostUsage, since before: HostUsage?) {
        host = now.host
        let earlier = Dictionary((before?.tasks ?? []).map { ($0.id, $0) }) { first, _ in first }
        rows = now.tasks.map { usage in
            var row = Row(usage: usage)
            guard let then = earlier[usage.id], usage.at > then.at, let io = usage.io, let was = then.io else { return row }
            let milliseconds = Double(usage.at - then.at)
            func rate(_ count: UInt64, _ before: UInt64) -> Double? {
                count >= before ? Double(count - before) * 1000 / milliseconds : nil
            }
            (row.readRate, row.writeRate) = (rate(io.readBytes, was.readBytes), rate(io.writtenBytes, was.writtenBytes))
            return row
        }
    }

    /// Who uses most comes first; what isn't known, last.
    func sorted(by order: TopOrder, reversed: Bool) -> [Row] {
        func value(_ row: Row) -> Double? {
            switch order {
            case .cpu: row.usage.cpu?.percent
            case .memory: row.usage.memory.map { Double($0.current) }
            case .io: row.readRate.map { $0 + (row.writeRate ?? 0) }
            case .stalled: row.stalled
            case .pids: row.usage.pids.map { Double($0.current) }
            case .disk: row.usage.disk.map { Double($0.used) }
            case .name: nil
            }
        }
        return rows.sorted { first, second in
            switch (value(first), value(second)) {
            case (let one?, let other?) where one != other: return (one > other) != reversed
            case (_?, nil): return true
            case (nil, _?): return false
            default:
                return order == .name && reversed ? first.usage.name > second.usage.name : first.usage.name < second.usage.name
            }
        }
    }

    /// The lines of a screen, none longer than it is wide.
    ///
    /// - Parameters:
    ///   - skipped: rows that were scrolled away.
    ///   - hasHelp: whether the last line says which keys there are.
    func lines(
        columns: Int, rows height: Int, by order: TopOrder, reversed: Bool = false, skipping skipped: Int = 0,
        hasHelp: Bool = false
    ) -> [String] {
        let last = hasHelp ? ["c cpu  m memory  i i/o  s stalled  p procs  d disk  n name  r reverse  q quit"] : []
        let names = max(10, columns - Self.widths.reduce(0) { $0 + $1 + 1 })
        var lines = head() + [Self.line(Self.titles(order), "TASK", names)]
        let room = max(0, height - lines.count - last.count)
        lines += sorted(by: order, reversed: reversed).dropFirst(skipped).prefix(room).map {
            Self.line(Self.cells($0), $0.usage.name, names)
        }
        return (lines + last).map { Self.fitted($0, columns) }
    }

    private func head() -> [String] {
        let (cpu, memory, pressure) = (host.cpu, host.memory, host.pressure)
        let stalls = [pressure.cpu, pressure.memory, pressure.io].map { percent($0?.some.average10) }.joined(separator: " ")
        var lines = [
            "\(host.name): \(rows.count) tasks, CPUs \(cpu.used.map(cpus) ?? "-") of \(cpus(cpu.total)), \(cpus(cpu.reserved)) set aside",
            "memory \(shownBytes(memory.used)) of \(shownBytes(memory.total)), \(shownBytes(memory.reserved)) set aside; stalled cpu mem io \(stalls)",
        ]
        if let disk = host.disk { lines.append("pool \(shownBytes(disk.available)) free of \(shownBytes(disk.total))") }
        return lines + [""]
    }

    private static let widths = [6, 7, 7, 8, 8, 5, 17]

    private static func titles(_ order: TopOrder) -> [String] {
        let titles = ["CPU", "MEMORY", "DISK", "READ/s", "WRITE/s", "PROCS", "STALL C M IO"]
        let columns: [TopOrder: Int] = [.cpu: 0, .memory: 1, .disk: 2, .io: 4, .pids: 5, .stalled: 6]
        return titles.enumerated().map { index, title in index == columns[order] ? "\(title)*" : title }
    }

    private static func cells(_ row: Row) -> [String] {
        let usage = row.usage
        let stalls = [usage.pressure.cpu, usage.pressure.memory, usage.pressure.io].map { percent($0?.some.average10) }
        func rate(_ value: Double?) -> String { value.map { shownBytes(UInt64($0.rounded())) } ?? "-" }
        return [
            percent(usage.cpu?.percent), shownBytes(usage.memory?.current), shownBytes(usage.disk?.used), rate(row.readRate),
            rate(row.writeRate), usage.pids.map { "\($0.current)" } ?? "-", stalls.joined(separator: " "),
        ]
    }

    /// Numbers to the right, the name last.
    private static func line(_ cells: [String], _ name: String, _ room: Int) -> String {
        let padded = zip(cells, widths).map { cell, width in String(repeating: " ", count: max(0, width - cell.count)) + cell }
        return padded.joined(separator: " ") + " " + fitted(name, room)
    }

    /// A line that moves no cursor, and is no longer than it may be: a character from elsewhere takes two places at most.
    static func fitted(_ text: String, _ columns: Int) -> String {
        var (result, width) = ("", 0)
        for character in printable(text) {
            let shown: Character = character == "\n" || character == "\t" || character == "\r\n" ? "?" : character
            let places = shown.isASCII ? 1 : 2
            guard width + places <= columns else { break }
            result.append(shown)
            width += places
        }
        return result
    }
}
