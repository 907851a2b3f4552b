import Btrfs
import Glibc
import Linux

/// A layer whose content isn't what its id says, as `damaged.json` beside it has it.
public struct DamagedLayer: Sendable, Codable, Equatable {
    public let id: LayerID
    /// What it was built for, or imported as.
    public let label: String
    /// The names that it had, sorted.
    public let names: [String]
    public let problem: String
    /// When that was found, in seconds since 1970.
    public let found: Int64
    /// The tasks that stand on it, by name: it stays in its place for them, and no others start from it.
    public internal(set) var tasks: [String]
    /// The directory that it was moved to; nil as long as it is in its place.
    public internal(set) var place: String?
}

extension DamagedLayer: CustomStringConvertible {
    private var subject: String {
        let names = names.filter { $0 != label }
        return "layer \(id.short) (\(label)\(names.isEmpty ? "" : ", called \(names.joined(separator: ", "))"))"
    }

    /// What is wrong, and what to do.
    public var description: String {
        if let place {
            return
                "\(subject): \(problem); it was moved to '\(place)': build or pull it again, then remove that directory with its subvolume"
        }
        guard tasks.isEmpty else {
            return
                "\(subject): \(problem); no more tasks start from it; remove the tasks that stand on it (\(tasks.joined(separator: ", "))), then build or pull it again"
        }
        return "\(subject): \(problem); no tasks start from it; it is moved away when what is at work with it has ended"
    }
}

extension Pool {
    private static let damageRecord = "damaged.json"

    /// What is known to be wrong with a layer in its place; nil for nothing.
    func damage(of id: LayerID) throws -> DamagedLayer? {
        let path = "\(layers)/\(id.hex)/\(Self.damageRecord)"
        guard Files.exists(path) else { return nil }
        // That there is one is enough.
        return (try? StateFile.read(DamagedLayer.self, path))
            ?? DamagedLayer(
                id: id, label: (try? layer(id)?.label) ?? "unknown", names: [], problem: "it is damaged", found: 0, tasks: [])
    }

    /// - Throws: `PoolError` `.damaged` for a layer whose content is known to be another than its id says.
    func requireUndamaged(_ id: LayerID) throws {
        if let damage = try damage(of: id) { throw PoolError(.damaged, "\(damage)") }
    }

    /// The layers that are known to be damaged, and those that were moved away and aren't here again, oldest first.
    public func damagedLayers() throws -> [DamagedLayer] {
        var found = try Files.list(layers).compactMap { LayerID($0) }.compactMap { try damage(of: $0) }
        let aside = "\(path)/damaged/layers"
        if Files.isDirectory(aside) {
            let moved = try Files.list(aside).compactMap { name -> DamagedLayer? in
                guard var layer = try? StateFile.read(DamagedLayer.self, "\(aside)/\(name)/\(Self.damageRecord)") else {
                    return nil
                }
                layer.place = "\(aside)/\(name)"
                return layer
            }
            found += moved.filter { !Files.exists("\(layers)/\($0.id.hex)/layer.json") }
        }
        return found.sorted { ($0.found, $0.id.hex) < ($1.found, $1.id.hex) }
    }

    /// Forgets what was wrong with a layer, whose content is whole again.
    func clearDamage(of id: LayerID) throws {
        let path = "\(layers)/\(id.hex)/\(Self.damageRecord)"
        guard unlink(path) == 0 || errno == ENOENT else { throw SystemError("remove", path) }
    }

    /// Moves a damaged layer out of the way; it stays, and is marked so that no more tasks start from it, as long as tasks stand on it
    /// or a process is at work with it.
    ///
    /// - Parameters:
    ///   - subvolume: the UUID of the root that was looked at; nil for whatever is there.
    ///   - takesNames: whether the layer's names go with it.
    ///   - isDry: whether nothing is changed.
    /// - Returns: nil when another layer, or none, is in its place by now.
    func setAside(
        _ id: LayerID, _ problem: String, subvolume: String? = nil, takesNames: Bool = false, isDry: Bool = false
    ) throws -> DamagedLayer? {
        let place = "\(layers)/\(id.hex)"
        return try whileLayersStay {
            guard Files.exists(place) else { return nil }
            if let subvolume, (try? Subvolume.info(root(of: id)).uuid) != subvolume { return nil }
            // A record that can't be read keeps no other from being looked at.
            let tasks = try Files.list(tasks).compactMap {
                try? StateFile.read(TaskRecord.self, "\(directory(ofTask: $0))/task.json")
            }.filter { $0.layer == id }.map(\.name).sorted()
            let known = try damage(of: id)
            let names = try allNames().filter { $0.value == id }.keys.sorted()
            let label = known?.label ?? (try? recordOrCopy(of: id)?.label) ?? names.first ?? "unknown"
            var layer = DamagedLayer(
                id: id, label: label, names: known?.names ?? names, problem: problem, found: known?.found ?? Int64(time(nil)),
                tasks: tasks)
            let isFree = try tasks.isEmpty && !heldLayers().contains(id)
            if !isDry, layer != known, Files.isDirectory(place) {
                do {
                    try StateFile.write(layer, "\(place)/\(Self.damageRecord)")
                } catch  where isFree {
                    // Out of its place no task starts from it, said or not.
                }
            }
            guard isFree else { return layer }
            let target = freePlace(forDamaged: "layers/\(id.hex)")
            if !isDry {
                try Files.makeDirectories(Files.parent(of: target), mode: 0o700)
                try retryingInterrupts("set aside", place) { rename(place, target) }
                if takesNames { for name in names { try removeName(name) } }
            }
            layer.place = target
            return layer
        }
    }

    /// A path below `damaged` where nothing is yet.
    func freePlace(forDamaged place: String) -> String {
        let target = "\(path)/damaged/\(place)"
        var (free, number) = (target, 1)
        while Files.exists(free) {
            number += 1
            free = "\(target).\(number)"
        }
        return free
    }
}
