import AgentAPI
import ArgumentParser
import Layers
import Linux

struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Bring a file, a directory or everything of a task or volume back from a snapshot.",
        discussion: """
            With owner, mode, times and attributes; content is shared with the snapshot. A task goes on, and sees a file replaced in one step. In a
            directory what has come since stays. Without a path it is all: dish rollback, or dish volume restore.

            Examples:
              dish history web --path /srv/report.txt
              dish restore web /srv/report.txt --from monday
              dish restore web /etc --from image
              dish restore --volume data /mail --from 20260131T235959Z
            """)

    @Argument(help: "The task's name or id, and a path inside; with --volume the path alone.", completion: .task)
    var words: [String] = []
    @Option(help: "The snapshot, or image: see dish history.")
    var from: String
    @Option(help: "A volume, instead of a task.")
    var volume: String?
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func validate() throws {
        let most = volume == nil ? 2 : 1
        if words.count > most || volume == nil && words.isEmpty {
            throw ValidationError(
                "Write: dish restore TASK [PATH] --from SNAPSHOT, or: dish restore --volume NAME [PATH] --from SNAPSHOT")
        }
    }

    func run() async throws {
        try requireRoot(to: "restore files")
        let (task, path) = volume == nil ? (words.first, words.dropFirst().first) : (nil, words.first)
        guard let path else { return try await restoreAll(task) }
        var options = TimelineOptions()
        (options.volume, options.image, options.pool) = (volume, nil, self.pool)
        let (pool, timeline, _) = try await options.open(task)
        let from = from
        let result = try await blocking { try pool.restore(path, in: timeline, from: from) }
        if json.json { return try printJSON(result) }
        print("\(printable(result.path)): \(result.entries) entries, \(shownBytes(result.bytes))", to: .output)
    }

    private func restoreAll(_ task: String?) async throws {
        if let task {
            let command = try RollBack.parse(from == "image" ? [task, "--image"] : [task, from])
            return try await command.run()
        }
        let command = try VolumeRestore.parse([volume ?? "", from] + (pool.pool.map { ["--pool", $0] } ?? []))
        try await command.run()
    }
}
