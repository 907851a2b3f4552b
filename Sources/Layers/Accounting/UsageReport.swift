import Btrfs
import Linux

/// Puts what the pool's records, its quota groups and its index say together.
struct UsageReport {
    private let pool: Pool
    private let index: UsageIndex
    private let subvolumes: [PoolSubvolume]
    private let changed: Set<UInt64>
    private let slots: [PoolSubject: SlotSet]
    private let figures: [PoolSubject: UsageIndex.Figures]
    /// Those with a subvolume that is younger than the index.
    private let incomplete: Set<PoolSubject>
    private let layers: [Layer]
    private let tasks: [TaskRecord]
    private let volumes: [Volume]
    private let taskSnapshots: [String: [TaskSnapshot]]
    private let volumeSnapshots: [String: [VolumeSnapshot]]
    private let layerNames: [LayerID: String]

    init(_ pool: Pool, _ index: UsageIndex) throws {
        self.pool = pool
        self.index = index
        subvolumes = try pool.subvolumes()
        changed = index.changed(subvolumes)
        let places = Dictionary(index.members.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        var slots: [PoolSubject: SlotSet] = [:]
        var incomplete: Set<PoolSubject> = []
        for subvolume in subvolumes {
            if let slot = places[subvolume.root.id] { slots[subvolume.subject, default: SlotSet()].insert(slot) }
            if changed.contains(subvolume.root.id) { incomplete.insert(subvolume.subject) }
            // A task or volume goes with its snapshots.
            if let whole = subvolume.subject.whole, let slot = places[subvolume.root.id] {
                slots[whole, default: SlotSet()].insert(slot)
            }
        }
        self.slots = slots
        figures = index.figures(of: slots)
        self.incomplete = incomplete
        layers = try pool.allLayers()
        tasks = try pool.allTasks()
        volumes = try pool.allVolumes()
        taskSnapshots = try Dictionary(uniqueKeysWithValues: tasks.map { ($0.id, try pool.snapshots(of: $0)) })
        volumeSnapshots = try Dictionary(uniqueKeysWithValues: volumes.map { ($0.name, try pool.snapshots(of: $0)) })
        let names = try Dictionary(grouping: pool.allNames().sorted { $0.key < $1.key }, by: \.value)
        layerNames = Dictionary(
            uniqueKeysWithValues: layers.map { ($0.id, names[$0.id]?.first?.key ?? $0.label) })
    }

    func usage() throws -> PoolUsage {
        let filesystem = try pool.filesystem()
        let space = try filesystem.space()
        let quotas = try filesystem.quotaMode() == .simple
        let bills = try Bills(of: layers, subvolumes: subvolumes, on: filesystem)
        // Those of its content and of its tree.
        let roots = Dictionary(grouping: subvolumes, by: \.subject).mapValues { $0.map(\.root.id) }
        func layer(_ layer: Layer) -> PoolUsage.Entry {
            PoolUsage.Entry(
                name: layerNames[layer.id] ?? layer.label, id: layer.id.hex, own: bills.own[layer.id],
                shared: bills.shared(by: layer), limit: nil, held: held(.layer(layer.id.hex)))
        }
        func task(_ task: TaskRecord) throws -> PoolUsage.Entry {
            let usage = try task.quotaGroup.flatMap { try filesystem.usage(of: QuotaGroup(level: 1, number: $0)) }
            return PoolUsage.Entry(
                name: task.name, id: task.id, own: usage?.used, shared: bills.held(by: task.layer), limit: usage?.limit,
                held: held(.task(task.id)))
        }
        func snapshot(_ name: String, _ id: String, _ subject: PoolSubject) throws -> PoolUsage.Entry {
            let own = try roots[subject]?.reduce(UInt64(0)) { try $0 + (filesystem.used(by: .subvolume($1)) ?? 0) }
            return PoolUsage.Entry(name: name, id: id, own: quotas ? own : nil, shared: nil, limit: nil, held: held(subject))
        }
        return PoolUsage(
            path: pool.path, total: space.total, available: space.available, dataUsed: space.dataUsed,
            metadataUsed: space.metadataUsed, quotas: quotas, layers: layers.map(layer), tasks: try tasks.map(task),
            volumes: try volumes.map { volume in
                PoolUsage.Entry(
                    name: volume.name, id: volume.name, own: try pool.usage(of: volume, on: filesystem), shared: 0,
                    limit: volume.size,
                    held: held(.volume(volume.name)))
            },
            snapshots: try tasks.flatMap { task in
                try (taskSnapshots[task.id] ?? []).map {
                    try snapshot("\(task.name)@\($0.name)", task.id, .taskSnapshot(task: task.id, name: $0.name))
                }
            }
                + volumes.flatMap { volume in
                    try (volumeSnapshots[volume.name] ?? []).map {
                        try snapshot(
                            "\(volume.name)@\($0.name)", $0.id.hex, .volumeSnapshot(volume: volume.name, name: $0.name))
                    }
                },
            others: others(), sum: sum(space))
    }

    private func held(_ subject: PoolSubject) -> PoolUsage.Held? {
        guard let figures = figures[subject] else { return nil }
        return PoolUsage.Held(
            referenced: figures.referenced, exclusive: figures.exclusive,
            sharedWithOthers: figures.referenced - figures.exclusive, metadata: figures.metadata,
            freed: figures.exclusive + figures.metadata,
            compression: ratio(figures.content, figures.referenced), isCurrent: !incomplete.contains(subject),
            unchecked: slots[subject].flatMap { index.unchecked($0) })
    }

    private func others() -> [PoolUsage.Other] {
        let taskNames = Dictionary(tasks.map { ($0.id, $0.name) }) { first, _ in first }
        let removed = Dictionary(((try? pool.removedTasks()) ?? []).map { ($0.id, $0.name) }, uniquingKeysWith: { $1 })
        return slots.keys.compactMap { subject -> PoolUsage.Other? in
            let (kind, name): (PoolUsage.Other.Kind, String)
            var task: String?
            switch subject {
            case .logs(let id):
                (kind, name) = (.logs, taskNames[id] ?? removed[id] ?? id)
                task = id
            case .failed(let label): (kind, name) = (.failed, Pool.decode(label) ?? label)
            case .staging: (kind, name) = (.staging, "staging")
            case .pool: (kind, name) = (.pool, "pool")
            case .other(let path): (kind, name) = (.other, path)
            default: return nil
            }
            let isRemoved = task.map { taskNames[$0] == nil } ?? false
            return held(subject).map { PoolUsage.Other(kind: kind, name: name, id: task, isRemoved: isRemoved, held: $0) }
        }.sorted { ($0.kind.rawValue, $0.name, $0.id ?? "") < ($1.kind.rawValue, $1.name, $1.id ?? "") }
    }

    private func sum(_ space: Space) -> PoolUsage.Sum {
        let subjects = holders()
        var (data, content, shared, metadata): (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var (removedData, removedMetadata) = (UInt64(0), index.otherMetadata)
        for share in index.shares {
            let holders = Set(share.members.slots.compactMap { subjects[$0] })
            if holders.isEmpty {
                removedData += share.data
                removedMetadata += share.metadata
                continue
            }
            data += share.data
            content += share.content
            metadata += share.metadata
            if holders.count > 1 { shared += share.data }
        }
        // What was freed since the index was made, and what was removed and is cleaned up by now, is no part of what is used.
        let restOfData = space.dataUsed - min(data, space.dataUsed)
        removedData = min(removedData, restOfData)
        var restOfMetadata = space.metadataUsed - min(metadata, space.metadataUsed)
        let ownMetadata = min(index.ownMetadata, restOfMetadata)
        restOfMetadata -= ownMetadata
        removedMetadata = min(removedMetadata, restOfMetadata)
        return PoolUsage.Sum(
            taken: index.taken, seconds: index.seconds, subvolumes: subvolumes.count, changed: changed.count, data: data,
            sharedData: shared, compression: ratio(content, data), removedData: removedData,
            unaccountedData: Int64(restOfData - removedData), metadata: metadata, ownMetadata: ownMetadata,
            removedMetadata: removedMetadata, unaccountedMetadata: Int64(restOfMetadata - removedMetadata))
    }

    func sharing(of name: String) throws -> [PoolUsage.Sharing] {
        let subject = try subject(name)
        guard let slots = slots[subject] else {
            throw PoolError(
                .invalid, "'\(name)' is younger than the index of the pool at '\(pool.path)'; refresh that",
                settings: ["refresh"])
        }
        let subjects = holders()
        var sharing: [[String]: (data: UInt64, metadata: UInt64)] = [:]
        for share in index.shares where share.members.intersects(slots) {
            let holders = Set(share.members.slots.compactMap { subjects[$0] }).map(shownName).sorted()
            sharing[holders, default: (0, 0)].data += share.data
            sharing[holders, default: (0, 0)].metadata += share.metadata
        }
        return sharing.map { PoolUsage.Sharing(data: $1.data, metadata: $1.metadata, holders: $0) }
            .sorted { ($1.data, $1.metadata, $0.holders.count) < ($0.data, $0.metadata, $1.holders.count) }
    }

    /// By slot.
    private func holders() -> [Int: PoolSubject] {
        let bySubvolume = Dictionary(subvolumes.map { ($0.root.id, $0.subject) }, uniquingKeysWith: { first, _ in first })
        return Dictionary(
            uniqueKeysWithValues: index.members.enumerated().compactMap { slot, member in
                bySubvolume[member.id].map { (slot, $0) }
            })
    }

    private func subject(_ name: String) throws -> PoolSubject {
        if let task = tasks.first(where: { $0.name == name || $0.id == name }) { return .task(task.id) }
        if let volume = volumes.first(where: { $0.name == name }) { return .volume(volume.name) }
        let parts = name.split(separator: "@").map(String.init)
        if parts.count == 2, let task = tasks.first(where: { $0.name == parts[0] || $0.id == parts[0] }) {
            return .taskSnapshot(task: task.id, name: parts[1])
        }
        if parts.count == 2, volumes.contains(where: { $0.name == parts[0] }) {
            return .volumeSnapshot(volume: parts[0], name: parts[1])
        }
        return .layer(try pool.resolve(name).id.hex)
    }

    private func shownName(_ subject: PoolSubject) -> String {
        switch subject {
        case .layer(let id):
            layers.first { $0.id.hex == id }.map { "layer \(layerNames[$0.id] ?? $0.label)" } ?? "layer \(id.prefix(12))"
        case .task(let id): "task \(tasks.first { $0.id == id }?.name ?? id)"
        case .taskSnapshot(let id, let name): "snapshot \(tasks.first { $0.id == id }?.name ?? id)@\(name)"
        case .volume(let name): "volume \(name)"
        case .volumeSnapshot(let volume, let name): "snapshot \(volume)@\(name)"
        case .logs(let id): "logs of \(tasks.first { $0.id == id }?.name ?? id)"
        case .failed(let label): "failed step of \(Pool.decode(label) ?? label)"
        case .staging: "staging"
        case .pool: "the pool's own files"
        case .other(let path): path
        }
    }

    private func ratio(_ content: UInt64, _ size: UInt64) -> Double {
        size == 0 ? 1 : (Double(content) / Double(size) * 100).rounded() / 100
    }
}

/// What layers are billed for by simple quotas.
private struct Bills {
    var own: [LayerID: UInt64] = [:]
    /// A layer's own bill and those of the layers that it holds.
    private var sums: [LayerID: UInt64] = [:]
    private let layers: [LayerID: Layer]

    init(of layers: [Layer], subvolumes: [PoolSubvolume], on filesystem: borrowing Filesystem) throws {
        self.layers = Dictionary(uniqueKeysWithValues: layers.map { ($0.id, $0) })
        for subvolume in subvolumes {
            guard case .layer(let hex) = subvolume.subject, let id = LayerID(hex) else { continue }
            // Of its root and its stored tree.
            guard let used = try filesystem.used(by: .subvolume(subvolume.root.id)) else { continue }
            own[id, default: 0] += used
        }
        // The bottom first: parents are older than what was made from them.
        for layer in layers { sums[layer.id] = sum(layer, depth: 0) }
    }

    private func sum(_ layer: Layer, depth: Int) -> UInt64? {
        if let known = sums[layer.id] { return known }
        guard depth < 1000, let own = own[layer.id], let below = below(layer, depth: depth) else { return nil }
        return own + below
    }

    private func below(_ layer: Layer, depth: Int) -> UInt64? {
        let packages = layer.packages.map { own[$0] ?? 0 } ?? 0
        guard let id = layer.parent, let parent = layers[id] else { return layer.parent == nil ? packages : nil }
        return sum(parent, depth: depth + 1).map { $0 + packages }
    }

    func shared(by layer: Layer) -> UInt64? { below(layer, depth: 0) }

    func held(by id: LayerID) -> UInt64? { layers[id].flatMap { sums[$0.id] } }
}
