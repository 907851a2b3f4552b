import Btrfs
import DebianPackages
public import Layers
import Linux
public import Manifest
public import Runtime

/// Builds images of a workspace into a pool: the parents first, what doesn't depend on each other side by side,
/// and nothing whose inputs are as they were.
public struct Builder: Sendable {
    let workspace: Workspace
    let pool: Pool
    let runtime: any Runtime
    /// How many images are built at the same time.
    let jobs: Int
    let report: @Sendable (BuildEvent) -> Void

    public init(
        workspace: Workspace, pool: Pool, runtime: any Runtime, jobs: Int,
        report: @escaping @Sendable (BuildEvent) -> Void
    ) {
        self.workspace = workspace
        self.pool = pool
        self.runtime = runtime
        self.jobs = jobs
        self.report = report
    }

    /// Builds targets that `Workspace.targets` gave, which holds each one's parent before it.
    ///
    /// - Parameter lock: the packages of each of them.
    /// - Throws: the first error; what is being built then is ended, what is built stays.
    public func build(_ targets: [ImageTarget], lock: LockFile) async throws -> [Label: Layer] {
        try await blocking { try pool.cleanStaging() }
        return try await withThrowingTaskGroup(of: (Label, Layer).self) { group in
            var built: [Label: Layer] = [:]
            var waiting = targets
            var running = 0
            while true {
                while running < jobs, let index = waiting.firstIndex(where: { isReady($0, built) }) {
                    let target = waiting.remove(at: index)
                    let parent = parent(of: target).flatMap { built[$0] }
                    let below = chain(below: target, in: targets)
                    running += 1
                    group.addTask { (target.label, try await build(target, on: parent, below, lock)) }
                }
                guard running > 0, let (label, layer) = try await group.next() else { return built }
                running -= 1
                built[label] = layer
            }
        }
    }

    private func isReady(_ target: ImageTarget, _ built: [Label: Layer]) -> Bool {
        parent(of: target).map { built[$0] != nil } ?? true
    }

    private func parent(of target: ImageTarget) -> Label? {
        if case .parent(let label, _) = target.origin { return label }
        return nil
    }

    private func build(
        _ target: ImageTarget, on parent: Layer?, _ below: [ImageTarget], _ lock: LockFile
    ) async throws -> Layer {
        do {
            return try await make(target, on: parent, below, lock)
        } catch {
            report(.failed(target.label, error))
            throw error
        }
    }

    private func make(
        _ target: ImageTarget, on parent: Layer?, _ below: [ImageTarget], _ lock: LockFile
    ) async throws -> Layer {
        guard let packages = lock.packages(of: target, on: below) else {
            throw BuildError(
                .lock,
                "\(target.place): the lock file doesn't cover \(target.label) as it is now; run: dish image plan \(target.label)")
        }
        let inputs = try await blocking { try BuildInputs(target, in: workspace) }
        let key = try ActionKey(target, parent: parent?.id, packages: packages, inputs: inputs).hex
        if let id = try pool.result(ofAction: key), let layer = try pool.layer(id) {
            try pool.name(target.label.description, id)
            report(.cached(target.label, layer))
            return layer
        }
        report(.started(target.label))
        let start = ContinuousClock.now
        let files = try await fetch(target, packages, below)
        let image = ImageBuild(
            target: target, packages: packages, inputs: inputs, sandbox: BuildSandbox(runtime: runtime), report: report)
        let layer = try await make(image, on: parent, files)
        try pool.record(action: key, made: layer.id)
        try pool.name(target.label.description, layer.id)
        let elapsed = (ContinuousClock.now - start).components
        report(.built(target.label, layer, seconds: Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18))
        return layer
    }

    private func make(_ image: ImageBuild, on parent: Layer?, _ files: [String]) async throws -> Layer {
        let pool = pool
        let staged = try await blocking { try StagingDirectory(in: pool) }
        let root = staged.root
        do {
            try await blocking {
                if let parent {
                    try Subvolume.snapshot(pool.root(of: parent.id), to: root)
                } else {
                    try Subvolume.create(root)
                }
            }
            try await image.make(in: root, packageFiles: files)
            image.report(.step(image.target.label, "compute the layer's id"))
            return try await blocking {
                let tree = try pool.tree(of: staged, parent: parent?.id, latestTime: BuildSandbox.sourceDateEpoch)
                return try pool.publish(staged, tree: tree, parent: parent?.id, label: image.target.label.description)
            }
        } catch {
            throw explained(error)
        }
    }

    /// A full pool shows itself in whatever a step happened to be doing; this says so.
    private func explained(_ error: any Error) -> any Error {
        let (fullBelow, text) = (UInt64(48 << 20), "\(error)")
        guard let space = try? pool.filesystem().space(),
            space.available < fullBelow || text.contains("No space left on device")
        else { return error }
        return BuildError(
            .step,
            "\(text)\nthe pool at '\(pool.path)' is full (\(ByteCount(bytes: space.available)) free); remove images (dish image rm) or add a device (dish pool add-device), then build again"
        )
    }

    private func fetch(_ target: ImageTarget, _ packages: [LockedPackage], _ below: [ImageTarget]) async throws -> [String] {
        guard !packages.isEmpty, let base = Planner.debian(below + [target]) else { return [] }
        let archive = try Planner.archive(base, pool)
        let (report, label) = (report, target.label)
        return try await archive.fetch(packages) { done, total in report(.fetching(label, done: done, of: total)) }
    }
}
