import ArgumentParser
import Builder
import Manifest

struct ImagePlan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Resolve packages to exact versions in IMAGES.lock.",
        discussion: """
            The archives are those of this host's apt configuration. What was planned before is resolved anew, to
            the newest versions.

            Example: dish image plan //...
            """)

    @Argument(help: "Labels: //folder:name, :name, or //... for all.", completion: .label)
    var labels: [String]
    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var pool: PoolOptions
    @Option(help: "Keep the .deb files in this folder, for: dish image build --vendor.")
    var vendor: String?

    func run() async throws {
        let workspace = workspace.open()
        let targets = try workspace.targets(self.workspace.labels(labels, in: workspace))
        try requireRoot(to: "plan images")
        let progress = BuildProgress(verbose: false)
        let pool = try pool.open()
        let planner = Planner(workspace: workspace, pool: pool) { progress.show($0) }
        _ = try await planner.plan(targets, refresh: true)
        guard let vendor else { return }
        try await Vendoring(vendor, workspace: workspace, pool: pool).keep(targets) { progress.show($0) }
    }
}
