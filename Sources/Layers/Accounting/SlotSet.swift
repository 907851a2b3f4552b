/// A set of small numbers: which of a list's subvolumes hold something.
struct SlotSet: Sendable, Hashable, Codable {
    /// Bit by bit, without zeros at the end.
    private var words: [UInt64] = []

    init() {}

    init(_ slots: some Sequence<Int>) {
        for slot in slots { insert(slot) }
    }

    init(from decoder: any Decoder) throws {
        words = try decoder.singleValueContainer().decode([UInt64].self)
        trim()
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(words)
    }

    var isEmpty: Bool { words.isEmpty }

    mutating func insert(_ slot: Int) {
        while words.count <= slot >> 6 { words.append(0) }
        words[slot >> 6] |= 1 << UInt64(slot & 63)
    }

    func contains(_ slot: Int) -> Bool { slot >> 6 < words.count && words[slot >> 6] >> UInt64(slot & 63) & 1 == 1 }

    mutating func formUnion(_ other: SlotSet) {
        while words.count < other.words.count { words.append(0) }
        for index in other.words.indices { words[index] |= other.words[index] }
    }

    func isSubset(of other: SlotSet) -> Bool {
        words.count <= other.words.count && words.indices.allSatisfy { words[$0] & ~other.words[$0] == 0 }
    }

    func intersects(_ other: SlotSet) -> Bool { zip(words, other.words).contains { $0 & $1 != 0 } }

    /// In ascending order.
    var slots: [Int] {
        words.indices.flatMap { index in
            var (rest, slots) = (words[index], [Int]())
            while rest != 0 {
                slots.append(index << 6 + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
            return slots
        }
    }

    /// The same subvolumes in another list.
    ///
    /// - Parameter places: for each slot, which slots it has there.
    func moved(to places: [[Int]]) -> SlotSet {
        var set = SlotSet()
        for slot in slots where slot < places.count {
            for place in places[slot] { set.insert(place) }
        }
        return set
    }

    private mutating func trim() {
        while words.last == 0 { words.removeLast() }
    }
}
