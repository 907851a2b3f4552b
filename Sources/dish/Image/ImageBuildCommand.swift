import ArgumentParser
import Builder
import Glibc
import Layers
import Linux
import Manifest
import Runtime
import Spec

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

    @Argument(help: "Labels: //folder:name, :name, or //... for all.", completion: .label)
    var labels: [String]
    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var labelOptions: LabelOptions
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    @Option(name: .shortAndLong, help: "How many images are built at the same time (default: two a processor).")
    var jobs: Int?
    @Option(help: "Take the packages from this folder, where 'dish image plan --vendor' kept them; implies --locked.")
    var vendor: String?
    @Flag(help: "Refuse instead of planning what the lock file doesn't cover.")
    var locked = false
    @Flag(help: "Build what can be built when an image fails.")
    var keepGoing = false
    @Option(
        name: .customLong("verify"), defaultAsFlag: 1, help: "Build unchanged images again and compare: all, or a share like 0.1."
    )
    var verifiedShare: Double?
    @Option(help: "The longest time a step may take, in seconds.")
    var stepTimeout: Int = 3600
    @Option(help: "The most processes and threads a step may have.")
    var stepProcesses: UInt64 = StepLimits().processes
    @Option(
        help: """
            The most memory that all processes of a step may use together, like 4G (default: three quarters of the host's). \
            On hosts without a cgroup controller 'memory' it limits each process instead.
            """)
    var stepMemory: String?
    @Flag(help: "Build again whenever a file of the workspace changes.")
    var watch = false
    @Flag(name: .shortAndLong, help: "Print what the steps print.")
    var verbose = false

    func validate() throws {
        if let jobs, jobs < 1 { throw ValidationError("--jobs must be at least 1.") }
        if let verifiedShare, !(0...1).contains(verifiedShare) { throw ValidationError("--verify takes a share from 0 to 1.") }
        if stepTimeout < 1 { throw ValidationError("--step-timeout must be at least 1 second.") }
        if let stepMemory, (ByteCount(stepMemory)?.bytes ?? 0) < 1 << 20 {
            throw ValidationError("--step-memory '\(stepMemory)' is not a size of at least 1M, like 512M or 4G.")
        }
        if labels.isEmpty { throw ValidationError("Name the images to build, like //web:app.") }
    }

    func run() async throws {
        try requireRoot(to: "build images")
        let pool = try pool.openHolding()
        let workspace = workspace.open()
        if watch { return try await interruptible { try await buildOnChanges(workspace, pool) } }
        let result = try await interruptible { try await build(workspace, pool) }
        if json.json {
            try printJSON(result.targets.map { Row($0, isOnLongestChain: result.longestChain.map(\.label)) })
        }
    }

    /// Builds again and again until it is interrupted.
    private func buildOnChanges(_ workspace: Workspace, _ pool: Pool) async throws {
        while !Task.isCancelled {
            // Before the build, so that what changes meanwhile is not missed.
            let changes = try FolderWatch(workspace.folders())
            do {
                _ = try await build(workspace, pool)
            } catch  where !(error is CancellationError) {
                if !(error is ExitCode) { print("dish: \(error)", to: .errors) }
            }
            print("watching '\(workspace.root)' for changes; Ctrl-C ends", to: .errors)
            await Self.wait(for: changes)
        }
    }

    private static func wait(for changes: consuming FolderWatch) async {
        let changes = Shared(watch: changes)
        while !Task.isCancelled {
            let changed = try? await blocking { changes.watch.wait(milliseconds: 200) }
            if changed == true { return }
        }
    }

    private final class Shared: Sendable {
        let watch: FolderWatch

        init(watch: consuming FolderWatch) {
            self.watch = watch
        }
    }

    private func build(_ workspace: Workspace, _ pool: Pool) async throws -> BuildResult {
        let targets = try workspace.targets(self.workspace.labels(labels, in: workspace))
        let progress = BuildProgress(verbose: verbose)
        if let vendor {
            try await Vendoring(vendor, workspace: workspace, pool: pool).supply(targets)
        } else if !locked {
            let planner = Planner(workspace: workspace, pool: pool) { progress.show($0) }
            _ = try await planner.plan(targets, refresh: false)
        }
        var options = BuildOptions()
        // While one image waits for the disk, another has the processor.
        options.jobs = jobs ?? 2 * sysconf(Int32(_SC_NPROCESSORS_ONLN))
        options.keepsGoing = keepGoing
        options.takesLabels = labelOptions.takesLabels
        options.verifiedShare = verifiedShare ?? 0
        options.limits.time = .seconds(stepTimeout)
        options.limits.processes = stepProcesses
        if let memory = stepMemory.flatMap({ ByteCount($0)?.bytes }) { options.limits.memory = memory }
        let builder = Builder(workspace: workspace, pool: pool, runtime: Nspawn(), options: options) { progress.show($0) }
        progress.begin(targets: targets.count)
        do {
            let result = try await builder.build(targets, lock: LockFile.read(workspace))
            progress.end()
            progress.showLongestChain(result.longestChain)
            return result
        } catch {
            progress.end()
            // The event has shown which image it was and why.
            if error is CancellationError { print("dish: the build was interrupted; nothing half-done is left", to: .errors) }
            throw progress.hasShownFailure ? ExitCode(1) : error
        }
    }

    /// A layer, with how this build came by it.
    private struct Row: Encodable {
        let id: LayerID
        let parent: LayerID?
        let label: String
        let created: Int64
        let entries: Int
        let size: Int64
        /// Whether nothing had to be done.
        let cached: Bool
        let seconds: Double
        /// Whether it is one of the targets that decided how long the build took.
        let onLongestChain: Bool

        init(_ target: BuildResult.Target, isOnLongestChain chain: [Label]) {
            id = target.layer.id
            parent = target.layer.parent
            label = target.label.description
            created = target.layer.created
            entries = target.layer.entries
            size = target.layer.size
            cached = target.isCached
            seconds = target.seconds
            onLongestChain = chain.contains(target.label)
        }
    }
}

/// Runs work that an interrupt or termination signal cancels, so that it can clean up after itself.
func interruptible<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    let work = Task { try await body() }
    let signals = SignalWatch([SIGINT, SIGTERM, SIGHUP]) { work.cancel() }
    defer { signals.stop() }
    return try await work.value
}
