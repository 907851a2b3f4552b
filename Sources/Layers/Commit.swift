import Btrfs
import Glibc
public import Linux

extension Pool {
    /// Makes a layer of a task's root file system as it is now. A running task goes on; what it is writing at that
    /// moment is as after a power cut. What the task made for itself at its first boot isn't in it: keys, the machine's id.
    ///
    /// - Parameter name: what the layer is called.
    /// - Returns: the layer, and the task's device nodes that aren't in it.
    public func commit(_ task: TaskRecord, as name: String) throws -> (layer: Layer, leftOut: LeftOutNodes) {
        if pin == nil { return try holdingLayers().commit(task, as: name) }
        try Self.requireName(name)
        let staged = try StagingDirectory(in: self)
        let root = "\(directory(ofTask: task.id))/rootfs"
        // What the task has written must be in the file system's trees before the snapshot.
        try filesystem().sync()
        try Subvolume.snapshot(root, to: staged.root)
        try filesystem().sync()
        try copySubvolumes(of: root, into: staged)
        try FirstBootFiles(in: staged.root).remove()
        try filesystem().sync()
        let layer = try publish(staged, tree: wholeTree(of: staged), parent: task.layer, label: name)
        try self.name(name, layer.id)
        return (layer, staged.leftOut)
    }

    /// A snapshot has an empty directory for each subvolume inside. What is in them is copied, one file after the other; data is shared.
    ///
    /// Whatever runs in the task chose all names and links, and goes on: all is done by descriptors.
    private func copySubvolumes(of root: String, into staged: StagingDirectory) throws {
        let filesystem = try filesystem()
        let (from, to) = (try Subvolume.info(root).id, try Subvolume.info(staged.root).id)
        for subvolume in try filesystem.nestedSubvolumes(in: from) {
            do {
                let source = try filesystem.openDirectory(subvolume.directory, of: from)
                // The copy of the directory has the same number. One that isn't there is younger than the snapshot.
                let target = try filesystem.openDirectory(subvolume.directory, of: to)
                let (number, name) = (target.number, subvolume.name)
                guard name.withCString({ unlinkat(number, $0, AT_REMOVEDIR) }) == 0 else { continue }
                try TreeCopy.copy(name, in: source, to: target, as: name) { try Cancellation.check() }
            } catch let error as SystemError where error.code == ESTALE {
                continue
            } catch let error as SystemError {
                throw PoolError(
                    .invalid,
                    "copy the subvolume '\(shownName(subvolume.name))', which the task made inside: \(error); if the task changes it meanwhile, stop the task first"
                )
            }
        }
    }
}
