import Btrfs
import Layers
import Manifest

/// A layer that holds an image's packages and nothing else of it: what the packages' phase of a build made. Images that
/// add the same packages to the same parent share it, and so do all builds of one.
struct PackagesLayer: Sendable {
    let layer: Layer
    /// Whether this build made it.
    let isNew: Bool
}

extension Builder {
    /// The layer in which packages were installed before; nil when that is to be done.
    func installedPackages(_ key: ActionKey) throws -> PackagesLayer? {
        guard let id = try pool.result(ofAction: key.hex), let layer = try pool.layer(id) else { return nil }
        return PackagesLayer(layer: layer, isNew: false)
    }

    /// Makes a layer of the packages that were just installed in staging, whose root it takes.
    func keepPackages(
        of work: TargetWork, _ key: ActionKey, in staged: StagingDirectory, _ steps: StepRuntime
    ) throws -> Layer {
        try steps.restore()
        try Subvolume.deleteRecursively(steps.before)
        let tree = try pool.tree(of: staged, parent: work.parent?.id, latestTime: BuildSandbox.sourceDateEpoch)
        try pool.releaseSpace(of: staged, isDone: false)
        let layer = try pool.publish(
            staged, tree: tree, parent: work.parent?.id, label: try workspace.name(of: work.target.label) + Layer.packagesMark)
        try pool.note(tree.privateKeys(in: pool.root(of: layer.id)), in: layer.id)
        try pool.record(action: key.hex, made: layer.id)
        // The same tree may have been there.
        try Subvolume.deleteRecursively(staged.root)
        return layer
    }
}
