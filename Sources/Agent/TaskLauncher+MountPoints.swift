import AgentAPI
import Glibc
import Layers
import Linux
import Runtime
import Spec

/// The directories of a task's root that are there before its runtime starts. A runtime makes what it misses as a user whom nobody knows
/// inside.
extension TaskLauncher {
    /// Makes the directories that something is mounted on, and those of a command that every program counts on. New volumes get what the
    /// image has in their places.
    func makeMountPoints(of task: TaskIntent) throws {
        let root = "\(pool.directory(ofTask: task.id))/rootfs"
        try pool.fillVolumes(task.volumes ?? [], from: root)
        // systemd-nspawn takes nothing without it for a root; images of one static program have none.
        try makeDirectory("/usr", in: root, task)
        if !task.boots {
            try makeDirectory("/tmp", mode: 0o1777, in: root, task)
            for path in [Self.runtimeDirectory, "\(Self.runtimeDirectory)/host"] { try makeDirectory(path, in: root, task) }
        }
        // What is above others comes first.
        for path in ((task.volumes ?? []).map(\.path) + (task.immutable ?? [])).sorted() { try makeInside(path, of: task, root) }
        for mount in task.mounts ?? [] {
            if let host = mount.host, !Files.isDirectory(host) {
                try makeFile(mount.path, in: root)
            } else {
                try makeInside(mount.path, of: task, root)
            }
        }
        if task.request.network == .private { try makeFile("/etc/hosts", in: root) }
        // A working directory that the image hasn't got is made (image-spec, config.md).
        if let directory = task.request.directory { try makeInside(directory, of: task, root) }
    }

    static let runtimeDirectory = "/run"

    /// Tells whether a command's `/run` is its root's: nothing else is mounted there, and there is room for what systemd-nspawn writes to it
    /// before anything runs. A task whose disk is full begins with an empty one in memory, so that it can be looked after.
    func keepsRuntimeDirectory(_ task: TaskIntent, _ generation: Int) throws -> Bool {
        let mounted = (task.volumes ?? []).map(\.path) + (task.mounts ?? []).map(\.path)
        if task.boots || mounted.contains(where: { $0 == Self.runtimeDirectory || $0 == "\(Self.runtimeDirectory)/host" }) {
            return false
        }
        guard generation > 1, let limit = task.request.limits.disk, let used = try pool.bill(ofTask: task.id) else { return true }
        return used + Self.runtimeRoom <= limit
    }

    /// Bytes that the file system wants to have free for a small file.
    private static let runtimeRoom: UInt64 = 1 << 20

    /// In the volume that is mounted above it, or else in the root; nothing where something else is.
    private func makeInside(_ path: String, of task: TaskIntent, _ root: String) throws {
        func isBelow(_ top: String) -> Bool { path.hasPrefix(top == "/" ? top : top + "/") }
        let others = (task.mounts ?? []).map(\.path) + ["/dev", "/proc", "/sys"] + (task.boots ? ["/run", "/tmp"] : [])
        if others.contains(where: isBelow) { return }
        let volumes = (task.volumes ?? []).filter { isBelow($0.path) }
        guard let volume = volumes.max(by: { $0.path.utf8.count < $1.path.utf8.count }) else {
            return try makeDirectory(path, in: root, task)
        }
        // Errors are left to the runtime, which reports them.
        if !volume.readOnly {
            try makeDirectory(String(path.dropFirst(volume.path.count)), in: pool.data(ofVolume: volume.volume), task)
        }
    }

    private func makeFile(_ path: String, in root: String) throws {
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        try directory.makeFile(inRoot: path)
    }

    private func makeDirectory(_ path: String, mode: mode_t = 0o755, in root: String, _ task: TaskIntent) throws {
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        do {
            try directory.makeDirectories(inRoot: path, mode: mode)
        } catch {
            guard error.code == ENOTDIR || error.code == ELOOP else { throw error }
            throw AgentError(
                .invalid,
                "the task '\(task.name)' can't have the directory '\(path)': in the image \(task.request.image) something else is in its place (\(error))"
            )
        }
    }
}
