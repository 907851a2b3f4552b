import AgentAPI
import ArgumentParser
import Glibc
import Linux
import Manifest

/// What is chosen from a journal, with the host's journalctl(1), which is confined: the task wrote what it parses.
struct JournalQuery: ParsableArguments, Sendable {
    @Flag(help: "The journal instead of the console.")
    var journal = false
    @Option(name: .shortAndLong, help: "Only of this unit; may be repeated.")
    var unit: [String] = []
    @Option(name: .shortAndLong, help: "Only of this priority and those above: debug … emerg, or a range.")
    var priority: String?
    @Option(
        name: .customLong("since"), parsing: .unconditional,
        help: "Only from this time on: 1h, -1h, yesterday, '2026-01-31 12:00'.")
    var since: String?
    @Option(name: .customLong("until"), parsing: .unconditional, help: "Only up to this time.")
    var until: String?
    @Option(help: "Only messages that match this regular expression.")
    var grep: String?
    @Option(name: .shortAndLong, help: "short, cat, json and the others of journalctl.")
    var output: String?

    /// True if only a journal has what is asked for.
    var asksForJournal: Bool { journal || !unit.isEmpty || [priority, grep, output].contains { $0 != nil } }

    var hasTimes: Bool { since != nil || until != nil }

    /// Since when and until when.
    struct Times: Sendable {
        /// Milliseconds since 1970.
        var first = Int64.min
        var last = Int64.max

        /// Tells whether something of that time (RFC 3339) is meant.
        func contain(_ time: String) -> Bool {
            if first == .min, last == .max { return true }
            return PointInTime(time).map { (first...last).contains($0.milliseconds) } ?? true
        }
    }

    /// - Throws: `ValidationError` for what is no time.
    func times() throws -> Times {
        var times = Times()
        if let since { times.first = try Self.time(since, "--since") }
        if let until { times.last = max(times.first, try Self.time(until, "--until")) }
        return times
    }

    private static func time(_ text: String, _ option: String) throws -> Int64 {
        // As Docker has it.
        if let seconds = Int64(text), seconds > 1_000_000 { return seconds * 1000 }
        guard let time = PointInTime(text) else {
            throw ValidationError("\(option) '\(text)': write a span like 10m, 2h or 3d, or a time like '2026-01-31 12:00'.")
        }
        return time.milliseconds
    }

    /// Prints what is chosen and returns journalctl's exit code; with `follow` until the task ends. Blocks.
    func run(_ source: LogSource, follow: Bool, tail: Int?, raw: Bool) throws -> CInt {
        guard let program = Executable.find("journalctl") else {
            throw AgentError(.failed, "journalctl is not installed on this host; install it: apt-get install systemd")
        }
        guard let directory = try? OwnedFD.open(source.directory, O_RDONLY | O_DIRECTORY).directory(Array("journal".utf8)) else {
            throw AgentError(
                .notFound,
                "the task '\(source.name)' has no journal: only booted images with systemd-journald keep one; its console: dish logs \(source.name)"
            )
        }
        try Self.requireOwnFiles(directory, source.name)
        var reader = ConfinedReader(program, arguments(follow: follow, tail: tail))
        // Who follows a journal for weeks reads all that comes.
        if follow { reader.processorSeconds = 3600 }
        for name in ["TERM", "TZ"] { if let value = environmentVariable(name) { reader.environment[name] = value } }
        let output = try CleanedStream(to: STDOUT_FILENO, raw: raw)
        let errors = try CleanedStream(to: STDERR_FILENO, raw: raw)
        let child = try reader.start(on: directory, output: output.descriptor, errors: errors.descriptor)
        if follow {
            try source.whileItRuns {
                var status: CInt = 0
                // What ends it early is its own error, or nobody who reads.
                if waitpid(child, &status, WNOHANG) == child { throw ExitCode(ExitStatus(waitStatus: status).shellCode) }
            }
            // It notices a change after a moment.
            usleep(300_000)
            // It is the first process of its namespace, which gets no other signal.
            kill(child, SIGKILL)
            _ = try ExitStatus.wait(for: child)
            output.finish()
            errors.finish()
            return 0
        }
        let code = try ExitStatus.wait(for: child).shellCode
        output.finish()
        errors.finish()
        return code
    }

    private func arguments(follow: Bool, tail: Int?) -> [String] {
        var list = ["--directory=\(ConfinedReader.place)", "--no-pager", "--quiet"]
        list += unit.map { "--unit=\($0)" }
        for (name, value) in [
            ("priority", priority), ("since", since.map(Self.forJournal)), ("until", until.map(Self.forJournal)), ("grep", grep),
            ("output", output),
            ("lines", tail.map(String.init)),
        ] {
            if let value { list.append("--\(name)=\(value)") }
        }
        return list + (follow ? ["--follow"] : [])
    }

    /// What is no time of ours may be one of journalctl's.
    private static func forJournal(_ text: String) -> String { (try? time(text, "")).map { "@\($0 / 1000)" } ?? text }

    /// The files are the task's own: a link among them would show another journal as its.
    private static func requireOwnFiles(_ directory: borrowing OwnedFD, _ name: String, depth: Int = 1) throws {
        for entry in try directory.names() {
            var status = stat()
            let number = directory.number
            guard entry.withCString({ fstatat(number, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFREG: continue
            case S_IFDIR: if depth > 0 { try requireOwnFiles(directory.directory(entry), name, depth: depth - 1) }
            default:
                throw AgentError(
                    .invalid,
                    "the journal of task '\(name)' has '\(shownName(entry))', which is no file; remove it from its /var/log/journal"
                )
            }
        }
    }
}
