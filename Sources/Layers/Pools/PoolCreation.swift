import Btrfs
import Glibc
import Linux

/// Makes and unmakes pools: the file system, its mount, its entry in the registry.
extension PoolRegistry {
    /// The smallest loop file: below it Btrfs has no room for its own trees.
    public static let smallestSize: UInt64 = 512 << 20

    /// Makes a pool at a path, which becomes a mount point.
    ///
    /// A pool that is there already is mounted and returned. When anything fails, what was made is taken away again.
    ///
    /// - Parameters:
    ///   - size: bytes of the file, where one is made.
    ///   - quotas: whether disk use is counted and limited.
    ///   - profiles: how content is spread over devices.
    public func create(
        _ given: String, on backing: Backing, size: UInt64?, quotas: Bool = true, profiles: PoolProfiles = PoolProfiles(),
        settings: PoolSettings? = nil
    ) throws -> Pool {
        let path = Files.resolved(given)
        if let known = try entries().first(where: { $0.path == path }) {
            guard known.backing == backing || backing == .directory else {
                throw PoolError(.inUse, "'\(path)' is a pool already, on \(describe(known.backing)); choose another path")
            }
            return try open(path)
        }
        switch backing {
        case .directory:
            do {
                let pool = try Pool.initialize(at: path, quotas: quotas)
                try add(Entry(path: path, backing: .directory))
                return pool
            } catch let error where error is BtrfsError || (error as? PoolError)?.code == .notBtrfs {
                let type = try Mounts.containing(path)?.type ?? "another file system"
                throw PoolError(
                    .notBtrfs,
                    "'\(path)' is on \(type), not Btrfs; give a size to put the pool into a file, or a device to put it on",
                    settings: ["size", "device"])
            } catch  where !Files.exists(path) {
                throw PoolError(
                    .notBtrfs,
                    "'\(path)' doesn't exist; give a size to put the pool into a file, or a device to put it on",
                    settings: ["size", "device"])
            }
        case .file(let file):
            return try createFile(
                Entry(path: path, backing: backing, settings: settings), file, size: size ?? Self.smallestSize, quotas: quotas)
        case .devices(let devices):
            return try createOnDevices(Entry(path: path, backing: backing, settings: settings), devices, profiles, quotas: quotas)
        }
    }

    /// Unmounts a pool without tasks and volumes, forgets it and, if it is in a file, removes that.
    ///
    /// - Throws: `PoolError` `.damaged` when it is in a file and what is in it can't be seen.
    public func destroy(_ given: String) throws {
        let path = Files.resolved(given)
        guard let entry = try entries().first(where: { $0.path == path }) else {
            throw PoolError(.notPool, "'\(path)' is not a pool that this host knows; see: dish pool ls")
        }
        let pool: Pool?
        do {
            pool = try open(path)
        } catch {
            pool = nil
            if case .file(let file) = entry.backing, Files.exists(file) {
                throw PoolError(
                    .damaged,
                    "remove the pool '\(path)': what is in it can't be seen (\(error)), and the file '\(file)' would be lost; if it may be, remove that first: rm \(file)"
                )
            }
        }
        if let pool {
            let tasks = try pool.allTasks().map(\.name)
            guard tasks.isEmpty else {
                throw PoolError(
                    .inUse, "the pool '\(path)' has the tasks \(tasks.joined(separator: ", ")); remove them first: dish rm NAME")
            }
            let volumes = try pool.allVolumes().map(\.name)
            guard volumes.isEmpty else {
                throw PoolError(
                    .inUse,
                    "the pool '\(path)' has the volumes \(volumes.joined(separator: ", ")); remove them first: dish volume rm NAME"
                )
            }
        }
        if entry.backing != .directory, try Self.isMounted(entry) { try Mounts.unmount(path) }
        if case .file(let file) = entry.backing {
            unlink(file)
            rmdir(path)
        }
        try remove(path)
    }

    private func createFile(_ entry: Entry, _ file: String, size: UInt64, quotas: Bool) throws -> Pool {
        let path = entry.path
        guard size >= Self.smallestSize else {
            throw PoolError(.invalid, "a pool needs at least 512 MiB (4 GiB is a good minimum); \(size >> 20) MiB is too small")
        }
        try requireEmpty(path)
        guard !Files.exists(file) else {
            throw PoolError(.inUse, "'\(file)' exists already; remove it or choose another path for the pool")
        }
        try Files.makeDirectories(path)
        do {
            let created = try OwnedFD.open(file, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
            let number = created.number
            try retryingInterrupts("set size of", file) { ftruncate(number, off_t(size)) }
            try makeFilesystem(on: [file], PoolProfiles())
            return try mountAndInitialize(entry, quotas: quotas)
        } catch {
            try? Mounts.unmount(path)
            unlink(file)
            rmdir(path)
            throw error
        }
    }

    private func createOnDevices(
        _ entry: Entry, _ devices: [String], _ profiles: PoolProfiles, quotas: Bool
    ) throws -> Pool {
        let path = entry.path
        try requireEmpty(path)
        for device in devices { try Self.requireBlockDevice(device) }
        try Files.makeDirectories(path)
        try makeFilesystem(on: devices, profiles)
        do {
            return try mountAndInitialize(entry, quotas: quotas)
        } catch {
            try? Mounts.unmount(path)
            throw error
        }
    }

    private func requireEmpty(_ path: String) throws {
        guard Files.exists(path) else { return }
        guard Files.isDirectory(path), try Files.list(path).isEmpty else {
            throw PoolError(.invalid, "'\(path)' is not an empty directory; choose another path for the pool")
        }
    }

    static func requireBlockDevice(_ device: String) throws {
        var status = stat()
        guard stat(device, &status) == 0 else { throw SystemError("use device", device) }
        guard status.st_mode & S_IFMT == S_IFBLK else {
            throw PoolError(
                .invalid, "'\(device)' is not a block device; for a file give its size instead", settings: ["size"])
        }
    }

    /// mkfs.btrfs(8) refuses devices that hold a file system, and so protects what is on them.
    private func makeFilesystem(on devices: [String], _ profiles: PoolProfiles) throws {
        guard let program = Executable.find("mkfs.btrfs") else {
            throw PoolError(.invalid, "mkfs.btrfs is not installed; install it: apt-get install btrfs-progs")
        }
        let arguments = Arguments().flag("quiet").pair("data", profiles.data?.rawValue)
            .pair("metadata", profiles.metadata?.rawValue).words(devices)
        let result = try Command(program, arguments).runBlocking()
        guard result.status.isSuccess else {
            let reason = (result.text + result.errorText).split(separator: "\n").joined(separator: "; ")
            throw PoolError(.invalid, "make a file system on \(devices.joined(separator: ", ")): \(reason)")
        }
    }

    private func mountAndInitialize(_ entry: Entry, quotas: Bool) throws -> Pool {
        try mount(entry)
        let pool = try Pool.initialize(at: entry.path, quotas: quotas)
        var entry = entry
        if case .devices = entry.backing { entry.filesystem = pool.filesystemUUID }
        try add(entry)
        return pool
    }

    private func describe(_ backing: Backing) -> String {
        switch backing {
        case .file(let file): "the file '\(file)'"
        case .devices(let devices): devices.joined(separator: ", ")
        case .directory: "a directory"
        }
    }
}
