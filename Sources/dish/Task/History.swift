import AgentAPI
import ArgumentParser
import Layers
import Linux

struct History: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "List the moments of a task, volume or image that can be brought back, oldest first.",
        discussion: """
            With --path, what that path had at each of them: to find what is gone. With --changes, what lies between each and the one before.

            Examples:
              dish history web
              dish history web --path /srv/report.txt
              dish restore web /srv/report.txt --from monday
              dish history --volume data --changes
              dish history --image //web:app --changes
            """)

    @Argument(help: "The task's name or id.", completion: .task)
    var task: String?
    @OptionGroup var options: TimelineOptions
    @Option(help: "A path inside.")
    var path: String?
    @Flag(help: "Count what changed in between: reads what did.")
    var changes = false
    @OptionGroup var json: JSONOption

    func validate() throws {
        if (task != nil) == options.namesNoTask { throw ValidationError("Name a task, or --volume NAME, or --image LABEL.") }
        if path != nil, changes { throw ValidationError("--path and --changes exclude each other.") }
    }

    func run() async throws {
        // Scripts know this list.
        if let task, path == nil, !changes, json.json { return try printJSON(await AgentClient.host.snapshots(task)) }
        try requireRoot(to: "read what was")
        let (pool, timeline, status) = try await options.open(task)
        let (path, counts) = (path, changes)
        let moments = try await blocking {
            if let path { return try pool.moments(of: timeline, showing: path) }
            return counts ? try pool.momentsWithChanges(of: timeline) : try pool.moments(of: timeline)
        }
        if json.json { return try printJSON(moments) }
        let header = ["NAME", "KIND", "CREATED"] + (counts ? changeTitles : [])
        printTable(
            header + (path.map { [printable($0)] } ?? []),
            moments.map { moment in
                var row = [moment.name, shown(moment.kind, status), moment.created.map(age) ?? "-"]
                if counts { row += cells(moment.changes) }
                if path != nil { row.append(moment.path.map(shown) ?? "not there") }
                return row
            })
    }

    private func shown(_ kind: TimelinePoint.Kind, _ task: TaskStatus?) -> String {
        switch kind {
        case .image: task?.image ?? "image"
        case .snapshot: "snapshot"
        case .automatic: task == nil ? "by itself" : "before a rollback"
        case .build: "build"
        case .now: task?.state.rawValue ?? "now"
        }
    }

    private func shown(_ state: PathState) -> String {
        state.kind == "file" ? "\(shownBytes(state.size)), changed \(age(state.modified))" : state.kind
    }
}

/// The titles of `cells`.
let changeTitles = ["ADDED", "CHANGED", "REMOVED", "WRITTEN", "REPLACED"]

/// How much changed, for a row of a table.
func cells(_ changes: ChangeSummary?) -> [String] {
    guard let changes else { return changeTitles.map { _ in "-" } }
    return [
        "\(changes.added)", "\(changes.changed)", "\(changes.removed)", shownBytes(changes.written), shownBytes(changes.replaced),
    ]
}
