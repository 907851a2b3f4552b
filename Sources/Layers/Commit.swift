import Btrfs
public import Linux

extension Pool {
    /// Makes a layer of a task's root file system as it is now. A running task goes on; what it is writing at that
    /// moment is as after a power cut.
    ///
    /// - Parameter name: what the layer is called.
    /// - Returns: the layer, and the task's device nodes that aren't in it.
    public func commit(_ task: TaskRecord, as name: String) throws -> (layer: Layer, leftOut: LeftOutNodes) {
        if pin == nil { return try holdingLayers().commit(task, as: name) }
        let staged = try StagingDirectory(in: self)
        let root = "\(directory(ofTask: task.id))/rootfs"
        // What the task has written must be in the file system's trees before the snapshot.
        try filesystem().sync()
        try Subvolume.snapshot(root, to: staged.root)
        try filesystem().sync()
        let layer = try publish(staged, tree: wholeTree(of: staged), parent: task.layer, label: name)
        try self.name(name, layer.id)
        return (layer, staged.leftOut)
    }
}
