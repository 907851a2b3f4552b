import Btrfs
import Glibc
import Linux

/// Something that is wrong in a pool, and what is done about it.
public struct PoolFinding: Sendable, Codable, Equatable {
    /// Like `layer 1f2e3d4c5b6a` or `volume data`.
    public let subject: String
    public let problem: String
    public let remedy: String
    /// Whether it has been done, or would be; false for what people have to do.
    public let isRepaired: Bool
}

/// What bad disks, power cuts and hands leave behind, found and put right (docs/pool.md, "Repair").
///
/// Nothing is removed that has content: it moves to `damaged/` in the pool.
public struct PoolRepair: Sendable {
    private let pool: Pool
    /// Whether nothing is changed.
    private let isDry: Bool
    /// Whether the content of all layers is read and compared with their ids.
    private let readsContent: Bool
    /// Told which layer's content is read, and how many of them there are.
    private let progress: @Sendable (_ done: Int, _ all: Int) -> Void

    public init(
        _ pool: Pool, isDry: Bool = false, readsContent: Bool = false,
        progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
    ) {
        self.pool = pool
        self.isDry = isDry
        self.readsContent = readsContent
        self.progress = progress
    }

    /// Makes a directory a pool again whose `pool.json` is damaged.
    ///
    /// - Returns: nil when nothing was wrong with it.
    public static func marker(at path: String, isDry: Bool) throws -> PoolFinding? {
        let file = "\(path)/pool.json"
        do {
            _ = try Pool(at: path)
            return nil
        } catch let error as PoolError where error.code == .damaged {}
        guard ["layers", "tasks", "names"].allSatisfy({ Files.isDirectory("\(path)/\($0)") }) else {
            throw PoolError(.notPool, "'\(file)' is damaged, and beside it there are no layers, tasks and names: this is no pool")
        }
        if !isDry { try StateFile.write(Pool.Marker(version: Pool.version), file) }
        return PoolFinding(subject: "pool", problem: "'\(file)' is damaged", remedy: "written anew", isRepaired: true)
    }

    public func run() throws -> [PoolFinding] {
        var findings: [PoolFinding] = []
        // A part that can't be looked at keeps no other from being put right.
        func part(_ subject: String, _ body: () throws -> [PoolFinding]) throws {
            do {
                findings += try body()
            } catch let error as CancellationError {
                throw error
            } catch {
                findings.append(
                    PoolFinding(subject: subject, problem: "\(error)", remedy: "repair again then", isRepaired: false))
            }
        }
        try part("layers", layers)
        try part("names", names)
        try part("tasks", tasks)
        try part("volumes", volumes)
        try part("quotas") {
            try pool.restoreQuotas(isDry: isDry).map {
                PoolFinding(subject: "quotas", problem: $0, remedy: "it is as it was given", isRepaired: true)
            }
        }
        guard !isDry else { return findings }
        try part("staging") {
            try pool.cleanStaging()
            return []
        }
        try part("reserve") {
            try pool.keepReserve()
            return []
        }
        try part("quota groups") {
            // Which group a task has whose record is damaged nobody knows.
            if findings.allSatisfy(\.isRepaired) { try pool.removeUnusedQuotaGroups() }
            return []
        }
        try part("usage") {
            try Files.removeTree("\(pool.cache)/usage")
            _ = try pool.refreshUsage(syncs: true, isKept: false)
            return []
        }
        try part("stuck entries") {
            try pool.removeStuckEntries().map {
                PoolFinding(
                    subject: "'\($0.path)'", problem: "it can't be removed: \($0.reason)",
                    remedy: "see what is in the way; it holds nothing else up", isRepaired: false)
            }
        }
        return findings
    }

    // MARK: Layers

    private func layers() throws -> [PoolFinding] {
        let entries = try Files.list(pool.layers).sorted()
        var findings: [PoolFinding] = []
        for (index, name) in entries.enumerated() {
            guard let id = LayerID(name) else {
                findings.append(try setAside("layers/\(name)", "layer \(name)", "its name is no layer id"))
                continue
            }
            if readsContent { progress(index, entries.count) }
            if let finding = try check(id) { findings.append(finding) }
        }
        if readsContent { progress(entries.count, entries.count) }
        return findings
    }

    private func check(_ id: LayerID) throws -> PoolFinding? {
        let subject = "layer \(id.short)"
        let root = pool.root(of: id)
        guard let info = Subvolume.exists(root) ? try? Subvolume.info(root) : nil else {
            return try setAside(layer: id, "it has no root file system")
        }
        let record = try? StateFile.read(Layer.self, "\(pool.layers)/\(id.hex)/layer.json")
        let isRecorded = record?.id == id
        let isDoubtful = try !isRecorded || !info.isReadOnly || pool.damage(of: id) != nil || pool.hasChanged(id, info)
        guard readsContent || isDoubtful else { return nil }
        let digest: TreeDigest
        do {
            let (tree, problem) = try pool.contentProblem(of: id)
            guard let tree, problem == nil else { return try setAside(layer: id, problem ?? "its content can't be read") }
            digest = TreeDigest(tree)
        } catch let error as SystemError {
            return PoolFinding(
                subject: subject, problem: "its content can't be compared with its id: \(error)", remedy: "repair again then",
                isRepaired: false)
        } catch let error as PoolError where error.code == .tooLarge {
            return PoolFinding(
                subject: subject, problem: error.description, remedy: "nothing was changed", isRepaired: false)
        }
        if !isRecorded {
            if !isDry {
                let layer = try recalled(id, digest)
                try pool.freeing { try StateFile.writeWithCopy(layer, "\(pool.layers)/\(id.hex)/layer.json") }
            }
            return PoolFinding(
                subject: subject, problem: "its record is damaged, and its content is whole",
                remedy: "the record is written anew",
                isRepaired: true)
        }
        if !info.isReadOnly {
            if !isDry { try Subvolume.makeReadOnly(root) }
            try noteWhole(id, info)
            return PoolFinding(
                subject: subject, problem: "it can be written to, and its content is whole", remedy: "it is set read-only",
                isRepaired: true)
        }
        try noteWhole(id, info)
        return nil
    }

    /// Notes that a layer was checked, and that nothing is wrong with it any more; where that can't be written, it is checked again.
    private func noteWhole(_ id: LayerID, _ before: Subvolume.Info) throws {
        guard !isDry, let now = try? Subvolume.info(pool.root(of: id)), now.changed == before.changed else { return }
        try pool.clearDamage(of: id)
        try pool.note(now, id)
    }

    /// The record of a layer as its copy has it, as the builds' records do, or with what can be seen of it alone.
    private func recalled(_ id: LayerID, _ digest: TreeDigest) throws -> Layer {
        if let copy = try pool.recordOrCopy(of: id) { return copy }
        let build = try pool.builtLabels().flatMap { (try? pool.builds(of: $0)) ?? [] }.last { $0.layer == id }
        let name = try pool.allNames().filter { $0.value == id }.keys.min()
        return Layer(
            id: id, parent: build?.parent, label: build?.label ?? name ?? "recovered",
            created: build?.started ?? Int64(time(nil)),
            entries: digest.entries, size: digest.size, packages: build?.packages)
    }

    private func setAside(layer id: LayerID, _ problem: String) throws -> PoolFinding {
        let subject = "layer \(id.short)"
        guard let layer = try pool.setAside(id, problem, isDry: isDry) else {
            return PoolFinding(subject: subject, problem: problem, remedy: "it was removed meanwhile", isRepaired: true)
        }
        if let place = layer.place {
            return PoolFinding(
                subject: subject, problem: problem, remedy: "it is moved to '\(place)'; build or pull it anew", isRepaired: true)
        }
        guard layer.tasks.isEmpty else {
            let remedy =
                "remove the tasks \(layer.tasks.joined(separator: ", ")) that stand on it, and repair again; then build or pull it anew"
            return PoolFinding(subject: subject, problem: problem, remedy: remedy, isRepaired: false)
        }
        let remedy = "wait for the build, pull or start that is at work with it, and repair again"
        return PoolFinding(subject: subject, problem: problem, remedy: remedy, isRepaired: false)
    }

    // MARK: Names

    private func names() throws -> [PoolFinding] {
        let directory = try OwnedFD.open(pool.names, O_RDONLY | O_DIRECTORY)
        return try Files.list(pool.names).filter { !$0.hasSuffix(".new") }.sorted().compactMap { file in
            let path = "\(pool.names)/\(file)"
            let problem: String
            guard Files.isRegular(path) else {
                return try setAside("names/\(file)", "name \(Pool.decode(file) ?? file)", "it is no file of a name")
            }
            if let id = try Pool.id(inFile: file, of: directory) {
                guard !Files.exists("\(pool.layers)/\(id.hex)/layer.json") else { return nil }
                problem = "it names the layer \(id.short), which isn't there"
            } else {
                problem = "it names nothing that can be read"
            }
            if !isDry { try retryingInterrupts("remove name", path) { unlink(path) } }
            return PoolFinding(
                subject: "name \(Pool.decode(file) ?? file)", problem: problem, remedy: "the name is removed", isRepaired: true)
        }
    }

    // MARK: Tasks and volumes

    private func tasks() throws -> [PoolFinding] {
        try Files.list(pool.tasks).sorted().compactMap { id in
            let directory = pool.directory(ofTask: id)
            guard (try? StateFile.read(TaskRecord.self, "\(directory)/task.json")) == nil else { return nil }
            return PoolFinding(
                subject: "task \(id.prefix(12))", problem: "its record is damaged",
                remedy: "the agent writes it anew when it starts: systemctl restart dishd", isRepaired: false)
        }
    }

    private func volumes() throws -> [PoolFinding] {
        guard Files.isDirectory(pool.volumes) else { return [] }
        var findings: [PoolFinding] = []
        for name in try Files.list(pool.volumes).filter({ Volume.isName($0) }).sorted() {
            guard Subvolume.exists(pool.data(ofVolume: name)) else {
                findings.append(try setAside("volumes/\(name)", "volume \(name)", "it has no data"))
                continue
            }
            let record = "\(pool.directory(ofVolume: name))/volume.json"
            if (try? StateFile.read(Volume.self, record))?.name != name {
                let volume = try recalled(volume: name)
                if !isDry { try pool.freeing { try StateFile.writeWithCopy(volume.volume, record) } }
                findings.append(
                    PoolFinding(
                        subject: "volume \(name)", problem: "its record is damaged",
                        remedy: volume.hasCopy
                            ? "it is written anew from its copy"
                            : "it is written anew from the quota group; a schedule of snapshots has to be given again",
                        isRepaired: true))
            }
            findings += try snapshots(of: name)
        }
        return findings
    }

    private func snapshots(of volume: String) throws -> [PoolFinding] {
        let directory = "\(pool.directory(ofVolume: volume))/snapshots"
        guard Files.isDirectory(directory) else { return [] }
        return try Files.list(directory).filter { Volume.isName($0) }.sorted().compactMap { name in
            let (subject, record) = ("snapshot \(name) of volume \(volume)", "\(directory)/\(name)/snapshot.json")
            let data = pool.data(ofSnapshot: name, of: volume)
            guard Subvolume.exists(data) else {
                return try setAside("volumes/\(volume)/snapshots/\(name)", subject, "it has no data")
            }
            guard (try? StateFile.read(VolumeSnapshot.self, record))?.name != name else { return nil }
            let digest: TreeDigest
            do {
                digest = TreeDigest(try Tree(of: data))
            } catch let error as SystemError {
                return try setAside("volumes/\(volume)/snapshots/\(name)", subject, "its content can't be read: \(error)")
            }
            if !isDry {
                let copy = StateFile.readCopy(VolumeSnapshot.self, record).flatMap { $0.name == name ? $0 : nil }
                var snapshot = VolumeSnapshot(
                    name: name, id: digest.id, created: try copy?.created ?? Subvolume.info(data).created,
                    entries: digest.entries,
                    size: digest.size)
                (snapshot.scheduled, snapshot.pinned, snapshot.subvolume) = (copy?.scheduled, copy?.pinned, copy?.subvolume)
                try pool.freeing { [snapshot] in try StateFile.writeWithCopy(snapshot, record) }
            }
            return PoolFinding(
                subject: subject, problem: "its record is damaged", remedy: "it is written anew from its content",
                isRepaired: true)
        }
    }

    /// The size is that which holds, whatever a copy says.
    private func recalled(volume name: String) throws -> (volume: Volume, hasCopy: Bool) {
        let copy = StateFile.readCopy(Volume.self, "\(pool.directory(ofVolume: name))/volume.json")
            .flatMap { $0.name == name ? $0 : nil }
        let filesystem = try pool.filesystem()
        let info = try Subvolume.info(pool.data(ofVolume: name))
        let group = try filesystem.groups(of: .subvolume(info.id)).first { $0.level == 1 }
        var volume = Volume(
            name: name, created: copy?.created ?? info.created, size: try group.flatMap { try filesystem.usage(of: $0)?.limit },
            quotaGroup: group?.number)
        (volume.shared, volume.schedule, volume.awaitsContent) = (copy?.shared, copy?.schedule, copy?.awaitsContent)
        return (volume, copy != nil)
    }

    // MARK: What can't be put right

    /// - Parameter place: below the pool's path.
    private func setAside(_ place: String, _ subject: String, _ problem: String) throws -> PoolFinding {
        let free = pool.freePlace(forDamaged: place)
        if !isDry {
            try Files.makeDirectories(Files.parent(of: free), mode: 0o700)
            _ = try pool.whileLayersStay {
                try retryingInterrupts("set aside", "\(pool.path)/\(place)") { rename("\(pool.path)/\(place)", free) }
            }
        }
        return PoolFinding(subject: subject, problem: problem, remedy: "it is moved to '\(free)'", isRepaired: true)
    }
}
