import AgentAPI
import ArgumentParser
import FoundationEssentials
import Glibc
import Manifest

struct Events: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Show what happened on this host, and why.",
        discussion: """
            All events that are kept, unless --since says otherwise; with --follow, those from now on.

            Examples:
              dish events --since 1h
              dish events --follow web
              dish events --follow --since 10m
              dish events --since 4711 --json
            """)

    @Argument(help: "The name or id of a task, job, volume or image (default: all).", completion: .task)
    var object: String?
    @Option(
        name: .customLong("since"), parsing: .unconditional,
        help: "A time, like 1h, -1h, yesterday or '2026-01-31 12:00', or the number of an event: events after that.")
    var since: String?
    @Option(name: .customLong("until"), parsing: .unconditional, help: "Only up to this time.")
    var until: String?
    @Flag(name: .shortAndLong, help: "Go on with what happens from now on.")
    var follow = false
    @Flag(help: "Print each event as a line of JSON.")
    var json = false

    private enum Start: Equatable {
        case after(UInt64)
        case from(Int64)
    }

    func validate() throws {
        if let since, Self.start(since) == nil {
            throw ValidationError(
                "--since '\(since)': write a span like 10m, 2h or 3d, a time like 2026-01-31T12:00:00Z, or an event's number.")
        }
        if follow, until != nil { throw ValidationError("--follow and --until exclude each other.") }
        if let until, PointInTime(until) == nil {
            throw ValidationError("--until '\(until)': write a span like 10m, 2h or 3d, or a time like 2026-01-31T12:00:00Z.")
        }
    }

    func run() async throws {
        let start = since.flatMap(Self.start)
        var (after, from): (UInt64, Int64?) = (0, nil)
        switch start {
        case .after(let sequence): after = sequence
        case .from(let time): from = time
        case nil: break
        }
        // A task's id names it also where it was called otherwise before, or only the beginning of it was given.
        let (json, object, end) = (json, object, until.flatMap { PointInTime($0)?.milliseconds } ?? .max)
        // Followers want new events, not a year of old ones.
        let last: UInt64? = follow && since == nil ? 0 : nil
        try await AgentClient.host.events(after: after, from: from, last: last, object: object, follows: follow) { event, line in
            if event.time > end { return true }
            if json { printUnchanged(line, to: .output) } else { print(Self.shown(event), to: .output) }
            return true
        }
    }

    private static func shown(_ event: AgentEvent) -> String {
        let time = Date(timeIntervalSince1970: Double(event.time / 1000)).formatted(.iso8601)
        return oneLine("\(event.sequence) \(time) \(event.kind.rawValue) \(event.name) \(event.what): \(event.reason)")
    }

    private static func start(_ text: String) -> Start? {
        if let number = UInt64(text) { return .after(number) }
        return PointInTime(text).map { .from($0.milliseconds) }
    }
}
