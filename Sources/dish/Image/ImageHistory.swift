import ArgumentParser
import Layers

struct ImageHistory: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show the builds of an image, the newest first.",
        discussion: """
            With --changes, what changed in it from each build to the next: files and bytes. dish diff --image lists them.

            Examples:
              dish image history //web:app
              dish image history web:stable --changes        the builds of the label that it was built under
              dish diff --image //web:app
            """)

    @Argument(help: "A label, a name or a layer id.", completion: .label)
    var image: String
    @Flag(help: "Count what changed in between.")
    var changes = false
    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    /// A build as it is remembered, and what it changed.
    private struct Row: Encodable {
        let build: BuildRecord
        let changes: ChangeSummary?

        private enum Keys: CodingKey {
            case changes
        }

        func encode(to encoder: any Encoder) throws {
            try build.encode(to: encoder)
            var container = encoder.container(keyedBy: Keys.self)
            try container.encodeIfPresent(changes, forKey: .changes)
        }
    }

    func run() throws {
        try requireRoot(to: "read builds")
        let pool = try pool.openToRead()
        let name = image.hasPrefix("/") || image.hasPrefix(":") ? try workspace.label(image) : image
        let moments = changes ? try pool.momentsWithChanges(of: .image(name)) : []
        let rows = try pool.builds(ofImage: name).reversed().map { build in
            // Of builds with the same result the first one changed something.
            let moment = moments.first { $0.name == build.layer?.short && $0.created == build.started }
            return Row(build: build, changes: moment?.changes)
        }
        if json.json { return try printJSON(rows) }
        printTable(
            ["BUILT", "TOOK", "STEPS"] + (changes ? changeTitles : []) + ["RESULT"],
            rows.map { row in
                let build = row.build
                let failure = build.failure?.split(separator: "\n").first.map { "FAILED: \($0)" }
                return [age(build.started), "\(tenths(build.seconds)) s", "\(build.steps.count)"]
                    + (changes ? cells(row.changes) : []) + [build.layer.map { "layer \($0.short)" } ?? failure ?? "-"]
            })
    }
}
