import Linux

/// What a pool's repair has found and done.
public struct PoolRepair: Sendable, Codable, Equatable {
    /// How much unfinished work of processes that are gone was removed.
    public internal(set) var unfinished = 0
    /// Names of layers that aren't there any more: removed.
    public internal(set) var names: [String] = []
    /// Records that can't be read, with the reason: left for people to look at.
    public internal(set) var damaged: [String] = []
}

extension Pool {
    /// Puts right what needs nobody's decision: removes what killed processes left and names of nothing, and makes the index of who holds
    /// what anew. Records can't be made from anything else; those that can't be read are told.
    public func repair() throws -> PoolRepair {
        var repair = PoolRepair()
        let staged = { try Files.list(staging).filter { !$0.hasSuffix(".lock") }.count }
        let before = try staged()
        try cleanStaging()
        repair.unfinished = before - min(before, try staged())
        func reads(_ body: () throws -> Void) {
            do { try body() } catch { repair.damaged.append("\(error)") }
        }
        for id in try Files.list(layers).compactMap({ LayerID($0) }) { reads { _ = try layer(id) } }
        for id in try Files.list(tasks) {
            let path = "\(tasks)/\(id)/task.json"
            if Files.exists(path) { reads { _ = try snapshots(of: StateFile.read(TaskRecord.self, path)) } }
        }
        // The first volume makes their directory.
        for name in try Files.exists(volumes) ? Files.list(volumes).filter({ Volume.isName($0) }) : [] {
            reads { if try volumeIfPresent(name) != nil { _ = try snapshots(of: name) } }
        }
        for (name, id) in try allNames().sorted(by: { $0.key < $1.key }) where !Files.exists("\(layers)/\(id.hex)") {
            try removeName(name)
            repair.names.append(name)
        }
        // Whose group is whose is said by the records.
        if repair.damaged.isEmpty { try removeUnusedQuotaGroups() }
        try Files.removeTree("\(cache)/usage")
        _ = try refreshUsage(syncs: true)
        return repair
    }
}
