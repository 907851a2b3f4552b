import Btrfs
import DebianPackages
import Glibc
import Layers
import Linux
import Manifest
import Spec

/// How one target gets its layer.
extension Builder {
    /// The layer of a target: what was made of the same inputs before, or what is made now.
    func make(
        _ target: ImageTarget, on layers: [Label: Layer], _ below: [ImageTarget], _ lock: LockFile, _ digests: InputDigests
    ) async throws -> BuildResult.Target {
        let packages = try lockedPackages(of: target, on: below, lock)
        let wheels = WheelFiles(environments: lock.environments(of: target, on: below) ?? [], cache: pool.cache)
        let start = ContinuousClock.now
        let parent = target.parent.flatMap { layers[$0] }
        func work(_ inputs: BuildInputs) throws -> TargetWork {
            TargetWork(
                target: target, parent: parent, layers: layers, below: below, packages: packages, wheels: wheels, inputs: inputs,
                key: try ActionKey(
                    target, layers: layers.mapValues(\.id), packages: packages, environments: wheels.environments, inputs: inputs),
                packagesKey: try ActionKey(packagesOf: target, on: parent?.id, packages: packages))
        }
        let seen = try work(
            await blocking { try BuildInputs(target, in: workspace, remembered: digests, readsContents: false) })
        let made = try pool.result(ofAction: seen.key.hex)
        if !options.takesLabels { try workspace.requireOwn(target.label, for: made, in: pool) }
        if let id = made, let layer = try pool.layer(id) {
            try target.requireBudget(for: layer.size)
            if Double.random(in: 0..<1) < options.verifiedShare {
                try await verify(work(await blocking { try seen.inputs.withContents() }), is: layer)
                report(.verified(target.label, layer, seconds: seconds(since: start)))
            } else {
                report(.cached(target.label, layer))
            }
            reportKeys(try pool.privateKeys(of: id), in: target.label)
            try pool.name(workspace.name(of: target.label), id, ofWorkspace: workspace.root)
            return result(target, layer, isCached: true, 0)
        }
        report(.started(target.label))
        // What is put into the image decides its key, should it have changed since.
        let layer = try await build(work(await blocking { try seen.inputs.withContents() }))
        let elapsed = seconds(since: start)
        report(.built(target.label, layer, seconds: elapsed))
        reportKeys(try pool.privateKeys(of: layer.id), in: target.label)
        return result(target, layer, isCached: false, elapsed)
    }

    /// The packages that the lock file has for an image.
    func lockedPackages(of target: ImageTarget, on below: [ImageTarget], _ lock: LockFile) throws -> [LockedPackage] {
        if let packages = lock.packages(of: target, on: below) { return packages }
        throw BuildError(
            .lock,
            "\(target.place): the lock file doesn't cover \(target.label) as it is now; run: dish image plan \(target.label)")
    }

    private func reportKeys(_ keys: [PrivateKey], in label: Label) {
        if !keys.isEmpty { report(.foundKeys(label, keys)) }
    }

    private func result(
        _ target: ImageTarget, _ layer: Layer, isCached: Bool, _ seconds: Double
    ) -> BuildResult.Target {
        BuildResult.Target(
            label: target.label, layer: layer, isCached: isCached, seconds: seconds, needs: target.needs)
    }

    /// Makes a target's layer, names it and remembers what it was made from.
    private func build(_ work: TargetWork) async throws -> Layer {
        let pool = pool
        let (label, root) = (try workspace.name(of: work.target.label), workspace.root)
        let staged = try await blocking { try StagingDirectory(in: pool) }
        var record = BuildRecord(
            label: label, key: work.key.hex, inputs: work.key.entries, parent: work.parent?.id, root: staged.root,
            started: Int64(time(nil)))
        let start = ContinuousClock.now
        let steps = StepRuntime(runtime, limits: options.limits, staged: staged)
        do {
            let (tree, packages, keys) = try await tree(of: work, in: staged, steps, reusesPackages: true)
            let layer = try await blocking {
                try pool.publish(
                    staged, tree: tree, parent: work.parent?.id, packages: packages?.layer.id, label: label,
                    isSynced: work.parent != nil || packages != nil, commits: false)
            }
            try await blocking { try pool.note(keys, in: layer.id) }
            if let packages, !packages.isNew { record.packages = packages.layer.id }
            (record.layer, record.steps, record.seconds) = (layer.id, steps.finish(), seconds(since: start))
            let finished = record
            try await blocking {
                try pool.record(action: finished.key, made: layer.id, commits: false)
                if let key = work.packagesKey, !work.target.hasMoreThanPackages {
                    try pool.record(action: key.hex, made: layer.id, commits: false)
                }
                try pool.name(label, layer.id, ofWorkspace: root, commits: false)
                try pool.add(finished, commits: false)
                // One commit for all of it.
                try pool.filesystem().commit()
                try pool.forgetFailure(of: label)
            }
            return layer
        } catch {
            let error = explained(error, steps)
            if !(error is CancellationError) {
                if let step = steps.current, (error as? BuildError)?.code == .step || error is PackageError {
                    let failure = FailedStep(label: label, step: step, root: staged.root, message: "\(error)")
                    try? await blocking { try pool.keep(failure, snapshot: steps.before, in: staged) }
                }
                (record.failure, record.steps, record.seconds) = ("\(error)", steps.finish(), seconds(since: start))
                let finished = record
                try? await blocking { try pool.add(finished) }
            }
            throw error
        }
    }

    /// Makes a target's tree in staging.
    ///
    /// - Parameter reusesPackages: whether packages that a build before installed are taken, and kept for those after.
    /// - Returns: the layer with its packages, if the tree was made from one, and the private keys that it has and its parent hasn't.
    private func tree(
        of work: TargetWork, in staged: StagingDirectory, _ steps: StepRuntime, reusesPackages: Bool
    ) async throws -> (tree: Tree, packages: PackagesLayer?, keys: [PrivateKey]) {
        let (pool, report, label) = (pool, report, work.target.label)
        let image = ImageBuild(
            target: work.target, packages: work.packages, wheels: work.wheels, inputs: work.inputs,
            layers: work.layers.mapValues { pool.root(of: $0.id) }, sandbox: BuildSandbox(runtime: steps)
        ) { event in
            if case .step(_, let text) = event { steps.name(text) }
            report(event)
        }
        let key = reusesPackages ? work.packagesKey : nil
        let before = try await blocking { try key.flatMap { try installedPackages($0) } }
        let files = before == nil ? try await fetch(work) : []
        for environment in work.wheels.environments { try await WheelStore(cache: pool.cache).fetch(environment) }
        let groups = try await blocking {
            let groups = try pool.limitSteps(of: staged)
            let origin = before?.layer.id ?? work.parent?.id
            try Self.start(staged, from: origin.map { pool.root(of: $0) }, in: groups)
            return groups
        }
        var packages = before
        if let packages {
            image.step("go on from its packages, layer \(packages.layer.id.short)")
        } else {
            try await image.makePackages(in: staged.root, files: files)
            if let key, work.target.hasMoreThanPackages {
                image.step("keep the packages for other builds")
                packages = try await blocking {
                    let layer = try keepPackages(of: work, key, in: staged, steps)
                    try Self.start(staged, from: pool.root(of: layer.id), in: groups)
                    return PackagesLayer(layer: layer, isNew: true)
                }
            }
        }
        try await image.applyFeatures(in: staged.root)
        // What follows belongs to no step.
        steps.name("compute the layer's id")
        report(.step(label, "compute the layer's id"))
        let origin = packages
        let (tree, keys) = try await blocking {
            try steps.restore()
            try Subvolume.deleteRecursively(steps.before)
            let tree = try pool.tree(
                of: staged, parent: origin?.layer.id ?? work.parent?.id, latestTime: BuildSandbox.sourceDateEpoch)
            if !staged.leftOut.isEmpty { report(.step(label, "\(staged.leftOut)")) }
            if let others = tree.filesOfOthers(),
                try work.parent.flatMap({ try pool.tree(of: $0.id).filesOfOthers() })?.count != others.count
            {
                report(.step(label, "warning: \(others)"))
            }
            var keys = try tree.privateKeys(in: staged.root)
            if let origin {
                let directory = try RootDirectory(staged.root)
                let isKnown = Set(keys.map(\.path))
                let before = try pool.privateKeys(of: origin.layer.id)
                keys += before.filter { !isKnown.contains($0.path) && directory.exists($0.path) }
                keys.sort { $0.path < $1.path }
            }
            try pool.releaseSpace(of: staged)
            try work.target.requireBudget(for: TreeDigest(tree).size)
            return (tree, keys)
        }
        return (tree, packages, keys)
    }

    private static func start(_ staged: StagingDirectory, from source: String?, in groups: [QuotaGroup]) throws {
        if let source {
            try Subvolume.snapshot(source, to: staged.root, in: groups)
        } else {
            try Subvolume.create(staged.root, in: groups)
        }
    }

    /// Builds a target again and compares it with what was made of the same inputs before.
    private func verify(_ work: TargetWork, is layer: Layer) async throws {
        let pool = pool
        let staged = try await blocking { try StagingDirectory(in: pool) }
        let steps = StepRuntime(runtime, limits: options.limits, staged: staged)
        report(.started(work.target.label))
        // All of it: packages that were taken from a layer would not be compared.
        let tree = try await tree(of: work, in: staged, steps, reusesPackages: false).tree
        let changes = try await blocking { () -> [TreeChange]? in
            if TreeDigest(tree).id == layer.id { return nil }
            // The layer's own id may be one of an earlier version of the format.
            let stored = try pool.tree(of: layer.id)
            return TreeDigest(tree).id == TreeDigest(stored).id ? nil : try tree.changes(from: stored)
        }
        guard let changes else { return }
        let shown = changes.prefix(20).map { "  | \($0.kind) \($0.path) \($0.aspects.joined(separator: ", "))" }
        let more = changes.count > 20 ? "\n  | and \(changes.count - 20) more" : ""
        throw BuildError(
            .notReproducible,
            "built again from the same inputs it differs from layer \(layer.id.short); make the steps give the same each time\n"
                + shown.joined(separator: "\n") + more)
    }

    /// A full pool, or a step that reached its limit of memory, shows itself in whatever failed for it; this says so.
    private func explained(_ error: any Error, _ steps: StepRuntime) -> any Error {
        let isOfStep = (error as? BuildError)?.code == .step || error is PackageError
        if isOfStep, steps.hasReachedMemoryLimit {
            let limit = ByteCount(bytes: options.limits.memory)
            return BuildError(
                .step,
                "\(error)\nthe step reached its limit of memory, \(limit), and something of it was killed; give it more: --step-memory SIZE"
            )
        }
        let (fullBelow, text) = (UInt64(48 << 20), "\(error)")
        // Programs that run into the limit of space say so in the C library's words; there is no other quota in the sandbox.
        guard let space = try? pool.filesystem().space(), space.available < fullBelow || text.contains("quota exceeded")
        else { return error }
        return BuildError(
            .step,
            "\(text)\nthe pool at '\(pool.path)' is full (\(ByteCount(bytes: space.available)) free, of which a step gets nine tenths); remove images (dish image rm) or add a device (dish pool add-device), then build again"
        )
    }

    private func fetch(_ work: TargetWork) async throws -> [String] {
        guard !work.packages.isEmpty, let base = Planner.debian(work.below + [work.target]) else { return [] }
        let archive = try Planner.archive(base, pool)
        let (report, label) = (report, work.target.label)
        return try await archive.fetch(work.packages) { done, total in
            report(.fetching(label, done: done, of: total))
        }
    }
}

/// A target with everything that decides what becomes of it.
struct TargetWork: Sendable {
    let target: ImageTarget
    let parent: Layer?
    /// Of all images built so far.
    let layers: [Label: Layer]
    let below: [ImageTarget]
    let packages: [LockedPackage]
    let wheels: WheelFiles
    let inputs: BuildInputs
    let key: ActionKey
    /// Of its packages alone; nil when it adds none.
    let packagesKey: ActionKey?
}
