import Btrfs
import Glibc
import Linux

/// A subvolume of a pool's own.
struct PoolSubvolume: Sendable {
    let root: SubvolumeRoot
    let subject: PoolSubject
}

extension Pool {
    private var usageDirectory: String { "\(cache)/usage" }

    /// The pool's subvolumes, by id: those below it and, when it is a whole file system, that which it is itself.
    func subvolumes() throws -> [PoolSubvolume] {
        let filesystem = try filesystem()
        let roots = try filesystem.subvolumeRoots().filter { !$0.isDeleted }
        let prefix = try pathInFilesystem()
        var subjects: [UInt64: PoolSubject] = prefix.isEmpty ? [5: .pool] : [:]
        for subvolume in try filesystem.subvolumes() {
            let path = "/\(subvolume.path)"
            if path.utf8.starts(with: "\(prefix)/".utf8) {
                subjects[subvolume.id] = PoolSubject(String(decoding: path.utf8.dropFirst(prefix.utf8.count + 1), as: UTF8.self))
            }
        }
        return roots.compactMap { root in subjects[root.id].map { PoolSubvolume(root: root, subject: $0) } }
    }

    /// Where the pool is in its file system: empty for the top.
    private func pathInFilesystem() throws -> String {
        guard let mount = try Mounts.containing(path) else { return "" }
        let below = String(decoding: path.utf8.dropFirst(mount.path == "/" ? 0 : mount.path.utf8.count), as: UTF8.self)
        let whole = (mount.root == "/" ? "" : mount.root) + below
        return whole == "/" ? "" : whole
    }

    /// The index as it was last made; nil when there is none, or when it can't be read.
    public func usageIndex() -> UsageIndex? {
        guard let index = try? StateFile.read(UsageIndex.self, "\(usageDirectory)/index.json"),
            index.version == UsageIndex.version
        else { return nil }
        return index
    }

    /// Brings the index up to date: reads the trees that changed since, and nobody's files.
    ///
    /// - Parameters:
    ///   - syncs: whether what was written a moment ago is written to the trees first.
    ///   - isKept: whether it must be written down for the next one who asks; else it is where the pool has room for it.
    ///   - limit: for how long trees are read, those first that have waited longest; what is left is still as it was known. Where nothing is
    ///     known, there is no limit.
    public func refreshUsage(syncs: Bool, isKept: Bool = true, within limit: Duration? = nil) throws -> UsageIndex {
        do {
            try Files.makeDirectories(usageDirectory, mode: 0o700)
            let lock = try FileLock(waitingFor: "\(usageDirectory)/lock")
            let index = try readUsage(syncs: syncs, isKept: isKept, within: limit)
            _ = consume lock
            return index
        } catch let error as SystemError where !isKept && Self.isOutOfRoom(error) {
            return try readUsage(syncs: syncs, isKept: false, within: limit)
        }
    }

    private func readUsage(syncs: Bool, isKept: Bool, within limit: Duration?) throws -> UsageIndex {
        let filesystem = try filesystem()
        if syncs { try isKept ? filesystem.sync() : ifThereIsRoom { try filesystem.sync() } }
        let begun = ContinuousClock.now
        let file = "\(usageDirectory)/extents"
        var table = (try? Files.read(file)).flatMap { ExtentTable($0) } ?? ExtentTable()
        let isFirst = table.members.isEmpty
        let all = try filesystem.subvolumeRoots()
        let ids = Dictionary(all.map { ($0.uuid, $0.id) }) { first, _ in first }
        let sources = Dictionary(uniqueKeysWithValues: all.map { ($0.id, $0.parentUUID.flatMap { ids[$0] }) }).compactMapValues {
            $0
        }
        let roots = try subvolumes().map(\.root)
        let isReadOnly = Set(roots.filter(\.isReadOnly).map(\.id))
        // Generations are noted before trees are read: what changes meanwhile is read again next time.
        let stale = table.setMembers(
            roots.map { ExtentTable.Member(id: $0.id, generation: $0.generation) }, sources: sources
        ) { old, new in
            // A snapshot of a layer writes the layer's topmost block, and no leaf.
            old.generation == new.generation
                || old.generation > 0 && isReadOnly.contains(new.id)
                    && (try? !filesystem.hasLeaf(of: new.id, after: old.generation)) == true
        }
        func waiting(_ slot: Int) -> UInt64 { max(table.members[slot].generation, roots[slot].creation) }
        let order = stale.sorted { (waiting($0), $0) < (waiting($1), $1) }.map { (slot: $0, generation: roots[$0].generation) }
        let deadline = limit.flatMap { isFirst ? nil : begun + $0 }
        try table.read(order, while: { deadline.map { .now < $0 } ?? true }) { id, body in
            do {
                try filesystem.forEachDataExtent(of: id, body)
            } catch let error as SystemError where error.code == ENOENT {
                // It was deleted meanwhile.
            }
        }
        let metadata = MetadataShares(
            try filesystem.treeBlocks(), size: try filesystem.blockSize(), roots: all,
            slots: Dictionary(uniqueKeysWithValues: roots.enumerated().map { ($1.id, $0) }))
        var shares = Dictionary(uniqueKeysWithValues: table.shares().map { ($0.members, $0) })
        for (members, bytes) in metadata.shares {
            shares[members, default: UsageIndex.Share(members: members)].metadata += bytes
        }
        let spent = (ContinuousClock.now - begun).components
        let index = UsageIndex(
            version: UsageIndex.version, taken: Int64(time(nil)),
            seconds: Double(spent.seconds) + Double(spent.attoseconds / 1_000_000_000_000_000) / 1000,
            members: table.members, shares: Array(shares.values), ownMetadata: metadata.own,
            otherMetadata: metadata.other)
        func write() throws {
            // There was no room to make it.
            guard isKept || Files.isDirectory(usageDirectory) else { return }
            try Files.replace(file, with: table.encoded(), mode: 0o600, durable: false)
            try StateFile.write(index, "\(usageDirectory)/index.json", durable: false)
        }
        try isKept ? write() : ifThereIsRoom(write)
        return index
    }

    /// Brings the index up to date if a tree changed since, or some of it.
    ///
    /// - Parameter limit: for how long trees are read.
    /// - Returns: whether one had.
    public func refreshUsageIfChanged(within limit: Duration) throws -> Bool {
        let subvolumes = try subvolumes()
        if let index = usageIndex(), index.changed(subvolumes).isEmpty, index.members.count == subvolumes.count { return false }
        _ = try refreshUsage(syncs: false, within: limit)
        return true
    }
}
