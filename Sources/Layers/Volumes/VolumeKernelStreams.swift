import Btrfs
import Glibc
import Linux
import SendStream

/// Volumes from what `btrfs send` wrote.
extension Pool {
    /// Makes a snapshot of each stream in the source, called as its sender calls it, and the volume where there is none.
    ///
    /// - Returns: the last of them.
    func receiveKernelStreams<Source: ByteSource>(
        _ reader: inout StreamReader<Source>, _ first: StreamHead, as name: String, size: UInt64?
    ) throws -> ReceivedVolume {
        let budget = ReceiveBudget()
        var head = first
        while true {
            let received: ReceivedVolume
            do {
                received = try receiveKernelStream(&reader, head, as: name, size: size, budget)
            } catch let error as SystemError where error.code == ENOSPC {
                throw PoolError(
                    .full,
                    "receive '\(head.name)': the pool at '\(path)' is full; remove images (dish image gc), or add a device (dish pool add-device), then receive it again"
                )
            } catch let error as SystemError where error.code == EDQUOT {
                throw PoolError(
                    .invalid,
                    "receive '\(head.name)': it doesn't fit into the size of the volume '\(name)' beside its other snapshots; remove some of them, or receive it as another volume with a larger size",
                    settings: ["size"])
            }
            guard let next = try StreamHead.readIfMore(&reader) else { return received }
            head = next
        }
    }

    private func receiveKernelStream<Source: ByteSource>(
        _ reader: inout StreamReader<Source>, _ head: StreamHead, as name: String, size: UInt64?, _ budget: ReceiveBudget
    ) throws -> ReceivedVolume {
        let existing = try volumeIfPresent(name)
        let known = existing == nil ? [] : try snapshots(of: name)
        if let there = known.last(where: { $0.subvolume?.isSame(as: head) == true }) {
            try reader.skipStream()
            return ReceivedVolume(volume: name, snapshot: there, wasHere: true, data: try follow(there, name))
        }
        let base = try base(of: head, known, name)
        let staged = try StagingDirectory(in: self)
        let volume = try existing ?? stageVolume(name, size: size, in: staged)
        try Files.makeDirectories(staged.snapshot, mode: 0o700)
        let root = "\(staged.snapshot)/data"
        var sources: [SubvolumeUUID: TreeApplier.CloneSource] = [:]
        if let base, let source = head.source {
            let path = data(ofSnapshot: base.name, of: name)
            try Subvolume.snapshot(path, to: root, in: volume.groups)
            sources[source] = .init(try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
            budget.allowClones {
                try self.bytesOnDisk(of: self.tree(of: base, of: name), root: self.data(ofSnapshot: base.name, of: name))
            }
        } else {
            try Subvolume.create(root, in: volume.groups)
        }
        var stream = KernelStream(head, budget, base: base?.subvolume)
        let applier = try StreamApplier(
            OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), uuid: head.uuid, sources: sources, budget: budget)
        // Before the staging directory is removed.
        defer { applier.stop() }
        try stream.apply(&reader, to: applier, nil)
        try filesystem().sync()
        let tree = try base.map { try Tree(ofSnapshot: root, of: self.tree(of: $0, of: name)) } ?? Tree(of: root)
        try Subvolume.makeReadOnly(root)
        let subvolume = KernelSubvolume(head, leftOut: stream.leftOut)
        let (called, created) = (freeName(head.name, known.map(\.name)), Int64(time(nil)))
        var received: ReceivedVolume
        if existing == nil {
            let snapshot = try describeSnapshot(
                tree, as: called, created: created, in: staged, subvolume: subvolume, groups: volume.groups)
            try Subvolume.snapshot(root, to: "\(staged.volume)/data", in: volume.groups)
            try retryingInterrupts("rename", staged.snapshot) {
                rename(staged.snapshot, "\(staged.volume)/snapshots/\(snapshot.name)")
            }
            _ = try publishVolume(volume, in: staged)
            received = ReceivedVolume(volume: name, snapshot: snapshot, wasHere: false, data: .followed)
        } else {
            let snapshot = try publishSnapshot(tree, as: called, created: created, of: name, in: staged, subvolume: subvolume)
            received = ReceivedVolume(volume: name, snapshot: snapshot, wasHere: false, data: try follow(snapshot, name))
        }
        let leftOut = LeftOutNodes(stream.leftOut)
        if !leftOut.isEmpty { received.leftOut = leftOut }
        return received
    }

    /// Finds the tree that a stream is against, among a volume's snapshots.
    private func base(of head: StreamHead, _ known: [VolumeSnapshot], _ name: String) throws -> VolumeSnapshot? {
        guard let source = head.source else { return nil }
        let found =
            known.last { $0.subvolume?.isSource(of: head, exactly: true) == true }
            ?? known.last { $0.subvolume?.isSource(of: head, exactly: false) == true }
        if let found { return found }
        throw PoolError(
            .unknownVolume,
            "'\(head.name)' comes as its difference from the subvolume \(source), which the volume '\(name)' hasn't got a snapshot of; receive that one first, or send '\(head.name)' without -p"
        )
    }

    /// A snapshot's name like the subvolume's.
    private func freeName(_ subvolume: String, _ taken: [String]) -> String {
        let letters = subvolume.map { Volume.isName("a\($0)") ? $0 : "-" }.drop { !Volume.isName(String($0)) }
        let base = letters.isEmpty ? "received" : String(letters.prefix(50))
        var (name, number) = (base, 2)
        while taken.contains(name) {
            name = "\(base)-\(number)"
            number += 1
        }
        return name
    }
}
