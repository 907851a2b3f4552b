import AgentAPI
import ArgumentParser
import FoundationEssentials
import Glibc

struct Events: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Show what happened on this host, and why.",
        discussion: """
            Examples:
              dish events --since 1h
              dish events --follow web
              dish events --since 4711 --json
            """)

    @Argument(help: "The name or id of a task, job, volume or image (default: all).", completion: .task)
    var object: String?
    @Option(help: "A number: events after that one. A span (10m, 2h, 3d) or a time (2026-01-31T12:00:00Z): events from then on.")
    var since: String?
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
                "--since '\(since)': write a number, a span like 10m, 2h or 3d, or a time like 2026-01-31T12:00:00Z.")
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
        let (json, object) = (json, object)
        try await AgentClient.host.events(after: after, from: from, object: object, follows: follow) { event, line in
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
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        if let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()), (0...100_000_000).contains(count) {
            return .from((Int64(Glibc.time(nil)) - count * unit) * 1000)
        }
        guard let date = try? Date(text, strategy: .iso8601) else { return nil }
        return .from(Int64(date.timeIntervalSince1970 * 1000))
    }
}
