import ArgumentParser
import Layers

struct ImageHistory: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show the builds of an image, the newest first.")

    @Argument(help: "A label.", completion: .label)
    var label: String
    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    func run() throws {
        try requireRoot(to: "read builds")
        let pool = try pool.open()
        let builds = try pool.builds(of: workspace.label(label)).reversed().map { $0 }
        if json.json { return try printJSON(builds) }
        printTable(
            ["BUILT", "TOOK", "STEPS", "RESULT"],
            builds.map { build in
                let failure = build.failure?.split(separator: "\n").first.map { "FAILED: \($0)" }
                return [
                    age(build.started), "\(tenths(build.seconds)) s", "\(build.steps.count)",
                    build.layer.map { "layer \($0.short)" } ?? failure ?? "-",
                ]
            })
    }
}
