import Btrfs
import Linux

/// Files whose content has no checksums, as those made with `chattr +C` (docs/pool.md, "What can fail").
public struct UncheckedFiles: Sendable, Codable, Equatable {
    public internal(set) var files: UInt64 = 0
    /// What they have.
    public internal(set) var bytes: UInt64 = 0
}

extension UncheckedFiles {
    /// Who has some. A task or volume is one with its snapshots, and the figures are those of the one among these that has the most.
    public struct Holder: Sendable, Codable, Equatable {
        /// Such as `task web`, `volume data`.
        public let name: String
        public let files: UInt64
        public let bytes: UInt64
    }
}

extension UsageIndex {
    /// The most that one of some subvolumes has; nil for none.
    func unchecked(_ slots: SlotSet) -> UncheckedFiles? {
        slots.slots.filter { $0 < members.count }.compactMap { members[$0].unchecked }
            .max { ($0.bytes, $0.files) < ($1.bytes, $1.files) }
    }
}

extension Pool {
    /// Who has files without checksums, those with the most first: as of when the index was made. No tree is read.
    public func uncheckedFiles() throws -> [UncheckedFiles.Holder] {
        guard let index = usageIndex() else { return [] }
        var slots: [PoolSubject: SlotSet] = [:]
        let places = Dictionary(
            index.members.enumerated().filter { $1.unchecked != nil }.map { ($1.id, $0) },
            uniquingKeysWith: { first, _ in first })
        if places.isEmpty { return [] }
        for subvolume in try subvolumes() {
            guard let slot = places[subvolume.root.id] else { continue }
            slots[subvolume.subject.whole ?? subvolume.subject, default: SlotSet()].insert(slot)
        }
        return slots.compactMap { subject, slots in
            index.unchecked(slots).map { .init(name: name(of: subject), files: $0.files, bytes: $0.bytes) }
        }.sorted { ($1.bytes, $0.name) < ($0.bytes, $1.name) }
    }

    /// What of a volume or one of its snapshots has no checksums; nil for nothing that is known.
    public func uncheckedFiles(ofVolume name: String) throws -> UncheckedFiles? {
        try uncheckedFiles().first { $0.name == self.name(of: .volume(name)) }.map { .init(files: $0.files, bytes: $0.bytes) }
    }

    private func name(of subject: PoolSubject) -> String {
        func task(_ id: String) -> String {
            (try? StateFile.read(TaskRecord.self, "\(directory(ofTask: id))/task.json"))?.name ?? id
        }
        return switch subject {
        case .layer(let id): "layer \(id.prefix(12))"
        case .task(let id), .taskSnapshot(let id, _): "task \(task(id))"
        case .volume(let name), .volumeSnapshot(let name, _): "volume \(name)"
        case .logs(let id): "logs of \(task(id))"
        case .failed(let label): "failed step of \(Pool.decode(label) ?? label)"
        case .staging: "staging"
        case .pool: "the pool's own files"
        case .other(let path): path
        }
    }
}

extension PoolSubject {
    /// What a snapshot is one of.
    var whole: PoolSubject? {
        switch self {
        case .taskSnapshot(let task, _): .task(task)
        case .volumeSnapshot(let volume, _): .volume(volume)
        default: nil
        }
    }
}
