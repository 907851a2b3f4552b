import Btrfs
import Glibc
import Linux

/// The stored tree of a layer or snapshot: a subvolume beside the content, so that its space is accounted to the same owner.
extension Pool {
    static func place(in directory: String) -> String { "\(directory)/index" }

    /// Reads it, nil for none that is whole and of this subvolume.
    ///
    /// - Parameter directory: of the layer or snapshot.
    func storedTree(in directory: String, subvolume uuid: String) throws -> Tree? {
        if let tree = try TreeFile.read("\(Self.place(in: directory))/tree", subvolume: uuid) { return tree }
        // Older versions stored it among the pool's own files.
        return try TreeFile.read("\(directory)/tree", subvolume: uuid)
    }

    /// Stores it. Where there is no room, the pool's or the volume's, it is left out: it can be read from the content again.
    ///
    /// - Parameters:
    ///   - uuid: of the subvolume that it is the tree of.
    ///   - groups: of the owner.
    func storeTree(
        _ tree: Tree, subvolume uuid: String, in directory: String, groups: [QuotaGroup], durable: Bool = true
    ) throws {
        let place = Self.place(in: directory)
        do {
            if !Subvolume.exists(place) { try Subvolume.create(place, in: groups) }
            try TreeFile.write(tree, subvolume: uuid, to: "\(place)/tree", durable: durable)
            unlink("\(directory)/tree")
        } catch let error as SystemError where Self.isOutOfRoom(error) {
            // A part of it is of no use.
            try? Subvolume.deleteRecursively(place)
        } catch let error as SystemError where error.code == EEXIST && Subvolume.exists(place) {
            // Another made it at the same time.
        }
    }
}
