import ArgumentParser
import Builder
import Glibc
import Layers
import Linux
import Manifest
import Runtime

struct ImageBuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build", abstract: "Build images and what they stand on.",
        discussion: """
            What has not changed is not built again. Packages come from IMAGES.lock; images that it doesn't cover
            are planned first, unless --locked.

            Examples:
              dish image build //web:app
              dish image build //... -j 4
            """)

    @Argument(help: "Labels: //folder:name, :name, or //... for all.")
    var labels: [String]
    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    @Option(name: .shortAndLong, help: "How many images are built at the same time (default: one a processor).")
    var jobs: Int?
    @Option(help: "Take the packages from this folder, where 'dish image plan --vendor' kept them; implies --locked.")
    var vendor: String?
    @Flag(help: "Refuse instead of planning what the lock file doesn't cover.")
    var locked = false
    @Flag(name: .shortAndLong, help: "Print what the steps print.")
    var verbose = false

    func validate() throws {
        if let jobs, jobs < 1 { throw ValidationError("--jobs must be at least 1.") }
        if labels.isEmpty { throw ValidationError("Name the images to build, like //web:app.") }
    }

    func run() async throws {
        let workspace = workspace.open()
        let targets = try workspace.targets(self.workspace.labels(labels, in: workspace))
        try requireRoot(to: "build images")
        let pool = try pool.open()
        let progress = BuildProgress(verbose: verbose)
        if let vendor {
            try await Vendoring(vendor, workspace: workspace, pool: pool).supply(targets)
        } else if !locked {
            let planner = Planner(workspace: workspace, pool: pool) { progress.show($0) }
            _ = try await planner.plan(targets, refresh: false)
        }
        let builder = Builder(
            workspace: workspace, pool: pool, runtime: Nspawn(), jobs: jobs ?? sysconf(Int32(_SC_NPROCESSORS_ONLN))
        ) { progress.show($0) }
        let built: [Layer]
        do {
            let layers = try await interruptible { try await builder.build(targets, lock: LockFile.read(workspace)) }
            built = targets.compactMap { layers[$0.label] }
        } catch {
            // The event has shown which image it was and why.
            if error is CancellationError { print("dish: the build was interrupted; nothing half-done is left", to: .errors) }
            throw progress.hasShownFailure ? ExitCode(1) : error
        }
        if json.json { try printJSON(built) }
    }
}

/// Runs work that an interrupt or termination signal cancels, so that it can clean up after itself.
func interruptible<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    let work = Task { try await body() }
    let signals = SignalWatch([SIGINT, SIGTERM, SIGHUP]) { work.cancel() }
    defer { signals.stop() }
    return try await work.value
}
