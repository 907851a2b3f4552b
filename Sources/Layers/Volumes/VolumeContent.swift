import Btrfs
import CLinux
import Glibc
import Linux
public import Spec

/// The first content of a volume: owner, mode and content of the directory that the first task's image has in that place, as with Docker.
extension Pool {
    /// Fills the volumes of a task that nobody has had yet. What is there already stays.
    ///
    /// - Parameter root: of the task, whose volumes aren't mounted in it.
    /// - Throws: `PoolError` for a volume whose size has no room for it.
    public func fillVolumes(_ mounts: [VolumeMount], from root: String) throws {
        for mount in mounts where try volume(mount.volume).awaitsContent == true { try fill(mount, from: root) }
    }

    private func fill(_ mount: VolumeMount, from root: String) throws {
        // Several tasks that begin at once have one volume: the others wait.
        let lock = try FileLock(waitingFor: "\(directory(ofVolume: mount.volume))/content.lock")
        defer { withExtendedLifetime(lock) {} }
        var volume = try volume(mount.volume)
        let data = data(ofVolume: volume.name)
        guard volume.awaitsContent == true else { return }
        let tree = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        if let source = try? tree.open(inRoot: mount.path, O_RDONLY | O_DIRECTORY), try Files.list(data).isEmpty {
            let staged = try StagingDirectory(in: self)
            let new = "\(staged.path)/data"
            try Subvolume.create(new, in: volume.groups)
            do {
                try Self.copy(source, to: new)
            } catch let error as SystemError where error.code == EDQUOT {
                throw PoolError(
                    .inUse,
                    "the volume '\(volume.name)' has no room for what the image has in '\(mount.path)'; make it larger: dish volume resize \(volume.name) SIZE"
                )
            }
            try filesystem().sync()
            try retryingInterrupts("exchange", data) { dish_renameat2(AT_FDCWD, new, AT_FDCWD, data, DISH_RENAME_EXCHANGE) }
            try filesystem().sync()
        }
        volume.awaitsContent = nil
        try write(volume)
    }

    private static func copy(_ source: borrowing OwnedFD, to path: String) throws {
        let target = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        for name in try source.names() {
            try TreeCopy.copy(name, in: source, to: target, as: name) { try Cancellation.check() }
        }
        let status = try source.status()
        let number = target.number
        try retryingInterrupts("set owner of", path) { fchown(number, status.st_uid, status.st_gid) }
        try retryingInterrupts("set mode of", path) { fchmod(number, status.st_mode & 0o7777) }
        try retryingInterrupts("set times of", path) { futimens(number, [status.st_atim, status.st_mtim]) }
    }
}
