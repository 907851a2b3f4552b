import AgentAPI
import ArgumentParser
import Layers
import Linux

struct DiffTask: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show what changed between two moments of a task, volume or image: files and bytes.",
        discussion: """
            From its image to now, unless told otherwise; dish history lists the moments. A running task goes on. Volumes in it aren't looked into.

            Examples:
              dish diff web
              dish diff web monday                  from that snapshot to now
              dish diff web monday tuesday
              dish diff --volume data monday
            """)

    @Argument(help: "The task's name or id, then the moments; with --volume or --image the moments alone.", completion: .task)
    var words: [String] = []
    @OptionGroup var options: TimelineOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        if words.count > (options.namesNoTask ? 2 : 3) || !options.namesNoTask && words.isEmpty {
            throw ValidationError("Write: dish diff TASK [FROM] [TO]")
        }
    }

    func run() async throws {
        try requireRoot(to: "compare what was")
        let task = options.namesNoTask ? nil : words.first
        let moments = Array(options.namesNoTask ? words[...] : words.dropFirst())
        let (pool, timeline, _) = try await options.open(task)
        let changes = try await blocking {
            let points = try pool.points(of: timeline)
            guard let first = points.first?.name, let last = points.last?.name else { return [TreeChange]() }
            return try pool.changes(in: timeline, from: moments.first ?? first, to: moments.count > 1 ? moments[1] : last)
        }
        if json.json { return try printJSON(changes) }
        printFiles(changes)
        let sum = ChangeSummary(changes)
        if !changes.isEmpty {
            print(
                "\(sum.added) added, \(sum.changed) changed, \(sum.removed) removed; \(shownBytes(sum.written)) written, \(shownBytes(sum.replaced)) replaced",
                to: .output)
        }
    }
}
