import ArgumentParser
import Btrfs
import Glibc
import Layers
import Linux

struct PoolScrubCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scrub", abstract: "Compare all that is in a pool with its checksums, and put right what can be.",
        discussion: """
            Examples:
              dish pool scrub start
              dish pool scrub status --json
              dish pool scrub history
              dish pool set --scrub-every 7d        the agent does it
            """,
        subcommands: [PoolScrubStart.self, PoolScrubStatus.self, PoolScrubCancel.self, PoolScrubHistory.self],
        defaultSubcommand: PoolScrubStart.self)
}

struct PoolScrubStart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Scrub a pool to its end; where that is under way, wait for it.",
        discussion: """
            Tasks go on, and read a little slower. Ctrl-C cancels. Ends with 1 when something could not be put right.

            Examples:
              dish pool scrub start
              dish pool scrub start /srv/pool
            """)

    @OptionGroup var pool: PoolPath
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "scrub a pool")
        let pool = try pool.open()
        let progress = LineOfProgress()
        let signals = SignalWatch([SIGINT, SIGTERM, SIGHUP]) { _ = try? pool.filesystem().cancelScrub() }
        defer { signals.stop() }
        let history = ScrubHistory(of: pool, in: .host)
        let before = try history.records().last
        let record: ScrubRecord
        do {
            let ended = try pool.scrub(by: "command") { progress.show("scrub: \(shown($0))") }
            try history.add(ended)
            record = ended
        } catch let error as PoolError where error.code == .inUse {
            while let status = try pool.scrubStatus() {
                progress.show("scrub: \(shown(status))")
                usleep(500_000)
            }
            guard let other = try history.next(after: before, seconds: 10) else {
                throw PoolError(
                    .inUse,
                    "the scrub of the pool at '\(pool.path)' that was under way has ended, and whoever ran it kept no record of it; scrub again"
                )
            }
            record = other
        }
        progress.end()
        if json.json { try printJSON(record) } else { print(shown(record), to: .output) }
        if record.isBad || record.outcome == .cancelled { throw ExitCode(1) }
    }
}

struct PoolScrubStatus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how far the scrub under way is, and how the last one ended.")

    @OptionGroup var pool: PoolPath
    @OptionGroup var json: JSONOption

    private struct Report: Encodable {
        let running: ScrubStatus?
        let last: ScrubRecord?
    }

    func run() throws {
        try requireRoot(to: "ask for a scrub's state")
        let pool = try pool.open()
        let report = Report(running: try pool.scrubStatus(), last: try ScrubHistory(of: pool, in: .host).records().last)
        if json.json { return try printJSON(report) }
        print("running: \(report.running.map { shown($0) } ?? "no")", to: .output)
        print("last: \(report.last.map { shown($0) } ?? "never")", to: .output)
    }
}

struct PoolScrubCancel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "End the scrub under way; none is no error.")

    @OptionGroup var pool: PoolPath

    func run() throws {
        try requireRoot(to: "cancel a scrub")
        let pool = try pool.open()
        _ = try pool.filesystem().cancelScrub()
        print(pool.path, to: .output)
    }
}

struct PoolScrubHistory: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "List the scrubs of a pool on this host, oldest first.")

    @OptionGroup var pool: PoolPath
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "read a pool's scrubs")
        let records = try ScrubHistory(of: pool.open(), in: .host).records()
        if json.json { return try printJSON(records) }
        printTable(
            ["STARTED", "TOOK", "BY", "READ", "ERRORS", "CORRECTED", "NOT CORRECTED", "ENDED"],
            records.map { record in
                let found = record.found
                return [
                    age(record.started), "\(record.ended - record.started) s", record.by,
                    shownBytes(found.data + found.metadata),
                    "\(found.readErrors + found.checksumErrors + found.verifyErrors + found.superblockErrors)",
                    "\(found.corrected)", "\(found.uncorrectable)", record.failure ?? record.outcome.rawValue,
                ]
            })
    }
}
