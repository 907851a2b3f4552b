import Btrfs
import FoundationEssentials
import Linux

/// Which subvolumes hold which extents (docs/accounting.md): each extent belongs to the group of those that are held by exactly the
/// same subvolumes. Few groups describe millions of extents.
struct ExtentTable: Sendable {
    struct Member: Sendable, Codable, Equatable {
        /// The subvolume's id, which is never used again.
        let id: UInt64
        /// In which transaction its tree was as it was read; 0: it wasn't yet.
        var generation: UInt64
        /// What of it has no checksums; nil for nothing.
        var unchecked: UncheckedFiles?
    }

    private struct Extent {
        let size: UInt64
        let content: UInt64
        var group: Int
    }

    /// By slot.
    private(set) var members: [Member] = []
    private var groups: [SlotSet] = []
    private var numbers: [SlotSet: Int] = [:]
    private var extents: [UInt64: Extent] = [:]

    init() {}

    var count: Int { extents.count }

    /// Takes another list of subvolumes over. What is known of each stays, and one that is new holds what its source was known to hold,
    /// until it is read.
    ///
    /// - Parameters:
    ///   - new: the subvolumes as they are now.
    ///   - sources: of which subvolume one is a snapshot, by ids.
    ///   - unchanged: whether what is known of one is still right.
    /// - Returns: the slots of those that must be read.
    mutating func setMembers(
        _ new: [Member], sources: [UInt64: UInt64] = [:], unchanged: (_ old: Member, _ new: Member) -> Bool
    ) -> [Int] {
        let known = Dictionary(uniqueKeysWithValues: members.enumerated().map { ($1.id, $0) })
        var places = [[Int]](repeating: [], count: members.count)
        var stale: [Int] = []
        let old = members
        members = new
        for slot in new.indices {
            if let place = known[new[slot].id] {
                places[place].append(slot)
                members[slot].unchecked = old[place].unchecked
                if unchanged(old[place], new[slot]) { continue }
                members[slot].generation = old[place].generation
            } else {
                members[slot].generation = 0
                if let place = Self.source(of: new[slot].id, in: sources, known: known) {
                    places[place].append(slot)
                    members[slot].unchecked = old[place].unchecked
                }
            }
            stale.append(slot)
        }
        move(to: places)
        return stale
    }

    /// The slot of the nearest subvolume of which something is known, of those that one comes from.
    private static func source(of id: UInt64, in sources: [UInt64: UInt64], known: [UInt64: Int]) -> Int? {
        var id = id
        // Sources are older, and ids grow.
        while let source = sources[id], source < id {
            if let place = known[source] { return place }
            id = source
        }
        return nil
    }

    /// Reads what subvolumes hold, in place of what was known of them, for as long as it may; one at least.
    ///
    /// - Parameters:
    ///   - slots: in the order in which they are read, with the transactions in which their trees are.
    ///   - forEachExtent: calls its second argument with each extent of the subvolume with an id.
    mutating func read(
        _ slots: [(slot: Int, generation: UInt64)], while mayGoOn: () -> Bool = { true },
        _ forEachExtent: (_ id: UInt64, _ body: (DataExtent) -> Void) throws -> Void
    ) rethrows {
        var places = members.indices.map { [$0] }
        for (slot, generation) in slots {
            // It is read into a slot of its own, which then takes the place.
            members[slot].unchecked = try add(members[slot].id, to: places.count, forEachExtent)
            places[slot] = []
            places.append([slot])
            members[slot].generation = generation
            if !mayGoOn() { break }
        }
        move(to: places)
    }

    /// Adds what the subvolume with an id holds.
    ///
    /// - Returns: what of it has no checksums; nil for nothing.
    private mutating func add(
        _ id: UInt64, to slot: Int, _ forEachExtent: (_ id: UInt64, _ body: (DataExtent) -> Void) throws -> Void
    ) rethrows -> UncheckedFiles? {
        var unchecked = UncheckedFiles()
        var lastUnchecked: UInt64?
        // The group that an extent of each group comes into.
        var next: [Int: Int] = [:]
        var alone: Int?
        try forEachExtent(id) { extent in
            if !extent.hasChecksums {
                if lastUnchecked != extent.inode { unchecked.files += 1 }
                lastUnchecked = extent.inode
                unchecked.bytes += extent.length
            }
            // Of another size, it is a later extent at an address that was free meanwhile.
            guard let index = extents.index(forKey: extent.address), extents.values[index].size == extent.size else {
                let group = alone ?? number(of: SlotSet([slot]))
                alone = group
                extents[extent.address] = Extent(size: extent.size, content: extent.content, group: group)
                return
            }
            let known = extents.values[index].group
            if let group = next[known] {
                extents.values[index].group = group
            } else if !groups[known].contains(slot) {
                var set = groups[known]
                set.insert(slot)
                let group = number(of: set)
                next[known] = group
                extents.values[index].group = group
            }
        }
        return unchecked.files > 0 ? unchecked : nil
    }

    /// Gives each slot its places in another list, and forgets what is in none of them: extents, and groups without any.
    private mutating func move(to places: [[Int]]) {
        let old = groups
        (groups, numbers) = ([], [:])
        // By the old group's number; -1 is that of one whose members are gone.
        var moved = [Int?](repeating: nil, count: old.count)
        extents = extents.compactMapValues { extent in
            let group: Int
            if let known = moved[extent.group] {
                group = known
            } else {
                let set = old[extent.group].moved(to: places)
                group = set.isEmpty ? -1 : number(of: set)
                moved[extent.group] = group
            }
            return group < 0 ? nil : Extent(size: extent.size, content: extent.content, group: group)
        }
    }

    private mutating func number(of set: SlotSet) -> Int {
        if let number = numbers[set] { return number }
        groups.append(set)
        numbers[set] = groups.count - 1
        return groups.count - 1
    }

    /// What the extents of each group take.
    func shares() -> [UsageIndex.Share] {
        var shares = groups.map { UsageIndex.Share(members: $0) }
        for extent in extents.values {
            shares[extent.group].data += extent.size
            shares[extent.group].content += extent.content
        }
        return shares.filter { $0.data > 0 }
    }
}

/// The table as a file: one of the program's own, made anew where it can't be read.
extension ExtentTable {
    private struct Head: Codable {
        let version: Int
        let members: [Member]
        let groups: [SlotSet]
    }

    private static let version = 2

    /// A line of JSON, the extents by address, as numbers in LEB128, and the SHA-256 of all that.
    func encoded() throws -> [UInt8] {
        var bytes = Array(try JSONEncoder().encode(Head(version: Self.version, members: members, groups: groups)))
        bytes.append(UInt8(ascii: "\n"))
        bytes.reserveCapacity(bytes.count + extents.count * 12)
        var last: UInt64 = 0
        for (address, extent) in extents.sorted(by: { $0.key < $1.key }) {
            for number in [address - last, extent.size, extent.content - min(extent.content, extent.size), UInt64(extent.group)] {
                Self.append(number, to: &bytes)
            }
            last = address
        }
        return bytes + ContentHash.bytes(bytes)
    }

    /// Nil for anything but an undamaged file of this version.
    init?(_ bytes: [UInt8]) {
        let content = bytes.dropLast(32)
        guard ContentHash.bytes(content).elementsEqual(bytes.suffix(32)), let line = content.firstIndex(of: UInt8(ascii: "\n")),
            let head = try? JSONDecoder().decode(Head.self, from: Data(content[..<line])), head.version == Self.version
        else { return nil }
        members = head.members
        groups = head.groups
        numbers = Dictionary(head.groups.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        var position = line + 1
        func number() -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 7) {
                guard position < content.endIndex else { return nil }
                let byte = content[position]
                position += 1
                value |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return value }
            }
            return nil
        }
        var address: UInt64 = 0
        while position < content.endIndex {
            guard let step = number(), let size = number(), let more = number(), let group = number(),
                group < UInt64(groups.count)
            else { return nil }
            address &+= step
            extents[address] = Extent(size: size, content: size &+ more, group: Int(group))
        }
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
