import Btrfs
import CLinux
import FoundationEssentials
import Glibc
public import Linux
public import SendStream

/// What a stream doesn't say of its snapshot by itself.
public struct VolumeDescription: Sendable, Codable, Equatable {
    /// The snapshot's name.
    public let snapshot: String
    /// What must come out.
    public let id: LayerID
    /// What the stream is against; nil for nothing.
    public let base: LayerID?
    /// When the snapshot was made, in seconds since 1970.
    public let created: Int64
    /// The most bytes that the volume it was made from may take; nil for no limit.
    public let size: UInt64?
    /// Marks the kind of stream for whoever reads the description alone.
    public let kind: String

    static let kind = "volume"

    public init(_ snapshot: VolumeSnapshot, of volume: Volume, since base: VolumeSnapshot?) {
        self.snapshot = snapshot.name
        id = snapshot.id
        self.base = base?.id
        created = snapshot.created
        size = volume.size
        kind = Self.kind
    }
}

/// What became of a stream.
public struct ReceivedVolume: Sendable, Codable, Equatable {
    public enum DataState: Sendable, Codable, Equatable {
        /// The volume's data is what was received.
        case followed
        /// It stays what it was, for this reason.
        case kept(String)
    }

    public let volume: String
    public let snapshot: VolumeSnapshot
    /// Whether it was here before.
    public let wasHere: Bool
    public let data: DataState
    /// Device nodes that weren't taken, of a stream of the kernel's; nil for none.
    public internal(set) var leftOut: LeftOutNodes?
}

extension Pool {
    /// Writes the canonical stream of a snapshot against an earlier one of the same volume, or against nothing, with its
    /// description in the first command.
    public func writeVolume<Sink: ByteSink>(
        _ volume: String, _ snapshot: VolumeSnapshot, since base: VolumeSnapshot?, to sink: inout Sink
    ) throws {
        typealias Side = CanonicalStream<Sink>.Side
        let uses = try ([snapshot] + [base].compactMap { $0 }).map { try SnapshotUse($0.name, of: volume, in: self) }
        defer { withExtendedLifetime(uses) {} }
        func side(_ snapshot: VolumeSnapshot) throws -> Side {
            try Side(
                snapshot.id, tree(of: snapshot, of: volume), root: data(ofSnapshot: snapshot.name, of: volume))
        }
        try tree(of: snapshot, of: volume).requireReceivable(
            against: base.map { try tree(of: $0, of: volume) }, "the snapshot '\(snapshot.name)' of the volume '\(volume)'",
            remedy: "remove it in the volume, make another snapshot, and send that")
        let description = try VolumeDescription(snapshot, of: self.volume(volume), since: base)
        let stream = try CanonicalStream(sink, new: side(snapshot), old: base.map(side), proves: false)
        sink = try stream.write(note: Array(try StateFile.encode(description)))
    }

    /// Makes a snapshot of what `writeVolume` or `btrfs send` wrote, and the volume where there is none. The volume's data becomes that snapshot
    /// when no task has it and it is still what one of its snapshots is.
    ///
    /// - Parameters:
    ///   - name: the volume.
    ///   - size: of a new volume, in bytes; nil for that of the sender.
    ///   - expected: what the stream must say of itself; nil for anything.
    /// - Throws: `StreamError` for a damaged or hostile stream, `PoolError` with what is wrong. Nothing is left then.
    public func receiveVolume<Source: ByteSource>(
        _ source: Source, as name: String, size: UInt64? = nil, expected: VolumeDescription? = nil
    ) throws -> ReceivedVolume {
        var reader = StreamReader(source)
        let head = try StreamHead.read(&reader)
        if head.note == nil, expected == nil { return try receiveKernelStreams(&reader, head, as: name, size: size) }
        guard let note = head.note,
            let description = try? JSONDecoder().decode(VolumeDescription.self, from: Data(note)),
            description.kind == VolumeDescription.kind, expected == nil || expected == description
        else {
            throw StreamError(
                .invalidValue, at: head.offset,
                "the stream is none of a volume's snapshot; what 'dish volume send' and 'btrfs send' wrote is taken")
        }
        guard head.uuid == description.id.streamUUID, head.source == description.base?.streamUUID else {
            throw StreamError(.refused, at: head.offset, "it isn't the stream of the snapshot that it says it is")
        }
        try Volume.requireName(description.snapshot, "snapshot")
        let volume = try volumeIfPresent(name)
        if volume != nil, let there = try snapshotIfPresent(description.snapshot, of: name) {
            guard there.id == description.id else {
                throw PoolError(
                    .inUse,
                    "the volume '\(name)' has another snapshot '\(there.name)'; remove it (dish volume rm \(name)@\(there.name)), or receive as another volume"
                )
            }
            try reader.skipStream()
            return ReceivedVolume(volume: name, snapshot: there, wasHere: true, data: try follow(there, name))
        }
        do {
            return try receive(&reader, head, description, volume, as: name, size: size)
        } catch let error as SystemError where error.code == ENOSPC {
            throw PoolError(
                .invalid,
                "receive the snapshot '\(description.snapshot)': the pool at '\(path)' is full; remove images (dish image gc), or add a device (dish pool add-device), then receive it again"
            )
        } catch let error as SystemError where error.code == EDQUOT {
            let limit = volume == nil ? size ?? description.size : volume?.size
            throw PoolError(
                .invalid,
                "receive the snapshot '\(description.snapshot)': it doesn't fit into the \(limit.map { "\($0 >> 20) MiB" } ?? "size") of the volume '\(name)' beside its other snapshots; remove some of them, or receive it as another volume with a larger size",
                settings: ["size"])
        }
    }

    private func receive<Source: ByteSource>(
        _ reader: inout StreamReader<Source>, _ head: StreamHead, _ description: VolumeDescription, _ existing: Volume?,
        as name: String, size: UInt64?
    ) throws -> ReceivedVolume {
        let staged = try StagingDirectory(in: self)
        let volume: Volume
        if let existing {
            volume = existing
        } else {
            guard description.base == nil else { throw missing(description, name) }
            volume = try stageVolume(name, size: hasQuotas() ? size ?? description.size : size, in: staged)
        }
        try Files.makeDirectories(staged.snapshot, mode: 0o700)
        let root = "\(staged.snapshot)/data"
        var found: VolumeSnapshot?
        var sources: [SubvolumeUUID: TreeApplier.CloneSource] = [:]
        if let id = description.base {
            guard let snapshot = try snapshots(of: name).last(where: { $0.id == id }) else { throw missing(description, name) }
            let path = data(ofSnapshot: snapshot.name, of: name)
            try Subvolume.snapshot(path, to: root, in: volume.groups)
            sources[id.streamUUID] = .init(try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
            found = snapshot
        } else {
            try Subvolume.create(root, in: volume.groups)
        }
        let (budget, base) = (ReceiveBudget(), found)
        if let base {
            budget.allowClones {
                try self.bytesOnDisk(of: self.tree(of: base, of: name), root: self.data(ofSnapshot: base.name, of: name))
            }
        }
        try apply(&reader, to: OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), head.uuid, sources, budget)
        try filesystem().sync()
        let tree = try base.map { try Tree(ofSnapshot: root, of: self.tree(of: $0, of: name)) } ?? Tree(of: root)
        let digest = TreeDigest(tree)
        guard try digest.id == description.id || tree.hasID(description.id, root: root, budget: budget) else {
            throw PoolError(
                .damaged,
                "what came of the stream has the id \(digest.id.short), not \(description.id.short): the stream is damaged"
            )
        }
        try Subvolume.makeReadOnly(root)
        guard existing == nil else {
            let snapshot = try publishSnapshot(
                tree, as: description.snapshot, created: description.created, of: name, in: staged, id: description.id,
                digest: digest)
            return ReceivedVolume(volume: name, snapshot: snapshot, wasHere: false, data: try follow(snapshot, name))
        }
        let snapshot = try describeSnapshot(
            tree, as: description.snapshot, created: description.created, in: staged, id: description.id, digest: digest,
            groups: volume.groups)
        try Subvolume.snapshot(root, to: "\(staged.volume)/data", in: volume.groups)
        try retryingInterrupts("rename", staged.snapshot) {
            rename(staged.snapshot, "\(staged.volume)/snapshots/\(snapshot.name)")
        }
        _ = try publishVolume(volume, in: staged)
        return ReceivedVolume(volume: name, snapshot: snapshot, wasHere: false, data: .followed)
    }

    private func missing(_ description: VolumeDescription, _ volume: String) -> PoolError {
        PoolError(
            .unknownVolume,
            "the snapshot '\(description.snapshot)' comes as its difference from the one with the id \(description.base?.short ?? ""), which the volume '\(volume)' hasn't got here; send all of it, or the difference from a snapshot that is here: dish volume show \(volume)"
        )
    }

    private func apply<Source: ByteSource>(
        _ reader: inout StreamReader<Source>, to root: consuming OwnedFD, _ uuid: SubvolumeUUID,
        _ sources: [SubvolumeUUID: TreeApplier.CloneSource], _ budget: ReceiveBudget
    ) throws {
        let applier = try StreamApplier(root, uuid: uuid, sources: sources, budget: budget)
        // Before the staging directory is removed.
        defer { applier.stop() }
        var isDone = false
        while !isDone {
            let offset = reader.offset
            isDone =
                try reader.next { command, data in
                    try applier.apply(command, data, at: offset)
                    return command == .end
                } ?? true
            budget.receive(reader.offset - offset)
        }
        let isMore: Bool? = try reader.next { _, _ in true }
        guard isMore == nil else {
            throw StreamError(.trailingBytes, at: reader.offset, "another stream follows the snapshot's")
        }
    }

    /// Makes a volume's data what a snapshot has, if that takes nothing away from anybody.
    func follow(_ snapshot: VolumeSnapshot, _ volume: String) throws -> ReceivedVolume.DataState {
        let data = data(ofVolume: volume)
        let info = try Subvolume.info(data)
        if try info.parentUUID == Subvolume.info(self.data(ofSnapshot: snapshot.name, of: volume)).uuid { return .followed }
        guard try isUnchanged(volume, info) else { return .kept(Self.isChanged) }
        let staged = try StagingDirectory(in: self)
        let new = "\(staged.path)/data"
        try Subvolume.snapshot(self.data(ofSnapshot: snapshot.name, of: volume), to: new, in: self.volume(volume).groups)
        try filesystem().sync()
        do {
            try whileUnused(volume, "changed") {
                // A task may have come and gone since, and left something.
                guard try isUnchanged(volume, info) else { throw PoolError(.inUse, Self.isChanged) }
                for path in [data, new] { try removeProtection(of: path) }
                try retryingInterrupts("exchange", data) {
                    dish_renameat2(AT_FDCWD, new, AT_FDCWD, data, DISH_RENAME_EXCHANGE)
                }
            }
        } catch let error as PoolError where error.code == .inUse {
            return .kept(error.description)
        }
        try filesystem().startCommit()
        return .followed
    }

    private static var isChanged: String { "it isn't what one of its snapshots is" }

    /// Whether a volume's data is still what one of its snapshots is.
    private func isUnchanged(_ volume: String, _ data: Subvolume.Info) throws -> Bool {
        let origin = try snapshots(of: volume).first {
            try Subvolume.info(self.data(ofSnapshot: $0.name, of: volume)).uuid == data.parentUUID
        }
        guard let origin else { return false }
        try filesystem().sync()
        // No tree is needed if nothing was written since.
        if try Tree.changedInodes(in: self.data(ofVolume: volume), after: data.creation).isEmpty { return true }
        let old = try self.tree(of: origin, of: volume)
        return try TreeDigest(Tree(ofSnapshot: self.data(ofVolume: volume), of: old)).id == TreeDigest(old).id
    }
}
