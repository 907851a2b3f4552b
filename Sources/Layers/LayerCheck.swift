import Btrfs
import Glibc
import Linux

/// When a layer's content was last compared with its id, as the file `checked` beside it has it; never yet is 0. A line of words instead of JSON: each
/// start of a task reads it.
struct LayerCheck: Sendable, Equatable {
    /// The UUID of the layer's root, which no other copy of the layer has.
    let subvolume: String
    /// The transaction of the last change to the root then.
    let change: UInt64
    /// Seconds since 1970.
    let time: Int64

    /// The name of the file.
    static let file = "checked"

    init(_ root: Subvolume.Info, time: Int64) {
        (subvolume, change, self.time) = (root.uuid, root.changed, time)
    }

    /// Nil for what is none.
    init?(_ text: String) {
        let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        guard words.count == 3, let change = UInt64(words[1]), let time = Int64(words[2]), 0...1 << 40 ~= time else { return nil }
        (subvolume, self.change, self.time) = (words[0], change, time)
    }

    var text: String { "\(subvolume) \(change) \(time)\n" }
}

/// What came of comparing a layer's content with its id.
public enum LayerVerdict: Sendable, Equatable {
    /// - Parameter hasRecovered: whether it was known to be damaged before.
    case whole(hasRecovered: Bool)
    /// Somebody has removed it meanwhile, or changes it.
    case undecided
    /// - Parameter isNews: whether that wasn't known, or it was in its place so far.
    case damaged(DamagedLayer, isNews: Bool)
}

/// How far the layers of a pool are checked.
public struct LayerChecks: Sendable, Codable, Equatable {
    /// Bytes in a second; 0 for never.
    public let rate: UInt64
    /// Seconds after which each is checked again.
    public let every: Int64
    public let layers: Int
    /// Those of them that were checked within that time and haven't changed since.
    public let checked: Int
}

extension Pool {
    /// Seconds after which a damaged layer is compared again, and moved away if nothing needs it any more.
    private static var damagedWait: Int64 { 60 }

    private func checkRecord(of id: LayerID) -> String { "\(layers)/\(id.hex)/\(LayerCheck.file)" }

    private func lastCheck(of id: LayerID) -> LayerCheck? {
        (try? Files.readTextIfPresent(checkRecord(of: id))).flatMap { $0 }.flatMap { LayerCheck($0) }
    }

    /// Notes how a root is that is published: what changes from now on is a change in its place.
    ///
    /// - Parameter directory: of the layer.
    func notePublished(_ directory: String) throws {
        let root = try Subvolume.info("\(directory)/rootfs")
        try ifThereIsRoom {
            try Files.replace(
                "\(directory)/\(LayerCheck.file)", with: LayerCheck(root, time: 0).text.utf8, mode: 0o600, durable: false)
        }
    }

    /// The same for layers of earlier versions, as they are now.
    func notePublishedIfUnknown(_ id: LayerID) throws {
        guard Subvolume.exists(root(of: id)), lastCheck(of: id)?.subvolume != (try Subvolume.info(root(of: id)).uuid) else {
            return
        }
        try notePublished("\(layers)/\(id.hex)")
    }

    /// Checks that nothing is known against starting tasks from a layer: it isn't damaged, can't be written to, and hasn't changed since
    /// it was published, or its content was last compared with its id. Reads no content.
    ///
    /// - Throws: `PoolError` `.damaged`.
    public func requireWhole(_ id: LayerID) throws {
        try requireUndamaged(id)
        let root = try Subvolume.info(root(of: id))
        let last = lastCheck(of: id)
        if root.isReadOnly, last == nil || last?.subvolume != root.uuid || last?.change == root.changed { return }
        throw PoolError(
            .damaged,
            "the layer \(id.short) \(root.isReadOnly ? "was changed in its place" : "can be written to") since it was made; the agent compares its content with its id, or do it now: dish pool repair --content"
        )
    }

    /// The layers whose content must be compared with their ids, the most urgent first: those that changed, that never were, and that
    /// were longest ago.
    ///
    /// - Parameters:
    ///   - every: seconds after which each is compared again; those that are known to be damaged earlier.
    ///   - onlyChanged: whether to return those alone that changed.
    public func layersToCheck(every: Int64, now: Int64, onlyChanged: Bool = false) throws -> [LayerID] {
        var due: [(rank: Int, time: Int64, id: LayerID)] = []
        for id in try Files.list(layers).compactMap({ LayerID($0) }) {
            guard Files.exists("\(layers)/\(id.hex)/layer.json") else { continue }
            let isDamaged = try damage(of: id) != nil
            guard let info = try? Subvolume.info(root(of: id)) else {
                if !isDamaged { due.append((0, 0, id)) }
                continue
            }
            let last = lastCheck(of: id).flatMap { $0.subvolume == info.uuid ? $0 : nil }
            let isOpen = !info.isReadOnly && !isDamaged
            if isOpen || last.map({ $0.change != info.changed }) ?? false {
                due.append((0, 0, id))
            } else if !onlyChanged {
                guard let last else {
                    due.append((1, info.created, id))
                    continue
                }
                let wait = isDamaged ? min(every, Self.damagedWait) : every
                if now >= last.time + wait || now < last.time { due.append((2, last.time, id)) }
            }
        }
        return due.sorted { ($0.rank, $0.time, $0.id.hex) < ($1.rank, $1.time, $1.id.hex) }.map(\.id)
    }

    /// How many layers were checked, for people.
    public func layerChecks(rate: UInt64, every: Int64, now: Int64) throws -> LayerChecks {
        let all = try Files.list(layers).compactMap { LayerID($0) }.count
        return LayerChecks(
            rate: rate, every: every, layers: all,
            checked: max(0, all - (try layersToCheck(every: every, now: now).count)))
    }

    /// Compares a layer's content with its id, at the pace of the current work, and sets aside what is damaged.
    ///
    /// Nothing is locked while content is read, and the layer isn't held: whoever removes it meanwhile isn't kept from that.
    public func checkLayer(_ id: LayerID) throws -> LayerVerdict {
        guard Files.exists("\(layers)/\(id.hex)/layer.json") else { return .undecided }
        // Before content is read: what changes meanwhile is a change after it.
        let before = Subvolume.exists(root(of: id)) ? try Subvolume.info(root(of: id)) : nil
        let known = try damage(of: id)
        let problem = before == nil ? "it has no root file system" : try contentProblem(of: id).problem
        if let problem {
            if let before, !isStill(before, id) { return .undecided }
            guard let layer = try setAside(id, problem, subvolume: before?.uuid, takesNames: true) else { return .undecided }
            if layer.place == nil, let before { try note(before, id) }
            return .damaged(layer, isNews: known == nil || layer.place != nil)
        }
        guard var root = before, isStill(root, id) else { return .undecided }
        if !root.isReadOnly {
            try Subvolume.makeReadOnly(self.root(of: id))
            root = try Subvolume.info(self.root(of: id))
            // Somebody wrote to it before it was closed.
            guard root.changed == before?.changed else { return .undecided }
        }
        try clearDamage(of: id)
        try note(root, id)
        return .whole(hasRecovered: known != nil)
    }

    /// The tree of a layer, and why it isn't what the layer's id says; nil when it is.
    ///
    /// - Throws: `SystemError` for what says nothing of the content, `PoolError` `.tooLarge`.
    func contentProblem(of id: LayerID) throws -> (tree: Tree?, problem: String?) {
        do {
            let tree = try Tree(of: root(of: id))
            return (tree, try tree.hasID(id, root: root(of: id)) ? nil : "its content is another than its id says")
        } catch let error as SystemError where [EIO, EUCLEAN, EBADMSG, ENODATA].contains(error.code) {
            // What can be read again once the device is back isn't damaged.
            if try filesystem().devices().contains(where: \.isMissing) { throw error }
            return (nil, "its content can't be read: \(error)")
        }
    }

    /// Whether a layer's root has changed since its content was last compared with its id.
    func hasChanged(_ id: LayerID, _ root: Subvolume.Info) -> Bool {
        lastCheck(of: id).map { $0.subvolume == root.uuid && $0.change != root.changed } ?? false
    }

    /// Whether a layer's root is the one that was looked at, as it was.
    private func isStill(_ root: Subvolume.Info, _ id: LayerID) -> Bool {
        guard let now = try? Subvolume.info(self.root(of: id)) else { return false }
        return now.uuid == root.uuid && now.changed == root.changed
    }

    /// Notes that a layer's content was compared with its id.
    func note(_ root: Subvolume.Info, _ id: LayerID) throws {
        guard Files.isDirectory("\(layers)/\(id.hex)") else { return }
        try ifThereIsRoom {
            try Files.replace(
                checkRecord(of: id), with: LayerCheck(root, time: Int64(time(nil))).text.utf8, mode: 0o600, durable: false)
        }
        try ifThereIsRoom { try keepCopy(of: id) }
    }
}
