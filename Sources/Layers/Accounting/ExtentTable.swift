import Btrfs
import FoundationEssentials
import Linux

/// Which subvolumes hold which extents (docs/accounting.md): each extent belongs to the group of those that are held by exactly the
/// same subvolumes. Few groups describe millions of extents.
struct ExtentTable: Sendable {
    struct Member: Sendable, Codable, Equatable {
        /// The subvolume's id, which is never used again.
        let id: UInt64
        /// In which transaction its tree was as it was read.
        var generation: UInt64
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

    /// Takes another list of subvolumes over. What is known of those whose tree is still the same stays.
    ///
    /// - Returns: the slots of those that must be read.
    mutating func setMembers(_ new: [Member], unchanged: (_ old: Member, _ new: Member) -> Bool) -> [Int] {
        var slots = [Int?](repeating: nil, count: members.count)
        var stale = Set(new.indices)
        let places = Dictionary(uniqueKeysWithValues: new.enumerated().map { ($1.id, $0) })
        for (slot, member) in members.enumerated() {
            guard let place = places[member.id], unchanged(member, new[place]) else { continue }
            slots[slot] = place
            stale.remove(place)
        }
        members = new
        let old = groups
        (groups, numbers) = ([], [:])
        let moved = old.map { $0.moved(to: slots) }.map { $0.isEmpty ? nil : number(of: $0) }
        extents = extents.compactMapValues { extent in
            moved[extent.group].map { Extent(size: extent.size, content: extent.content, group: $0) }
        }
        return stale.sorted()
    }

    /// Adds what a subvolume holds, and in which transaction.
    mutating func add(_ slot: Int, _ read: ((DataExtent) -> Void) throws -> Void) rethrows {
        // The group that an extent of each group comes into.
        var next: [Int: Int] = [:]
        var alone: Int?
        try read { extent in
            // Of another size, it is a later extent at an address that was free meanwhile.
            guard let known = extents[extent.address], known.size == extent.size else {
                let group = alone ?? number(of: SlotSet([slot]))
                alone = group
                extents[extent.address] = Extent(size: extent.size, content: extent.content, group: group)
                return
            }
            if let group = next[known.group] {
                extents[extent.address]?.group = group
            } else if !groups[known.group].contains(slot) {
                var set = groups[known.group]
                set.insert(slot)
                let group = number(of: set)
                next[known.group] = group
                extents[extent.address]?.group = group
            }
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

    private static let version = 1

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
