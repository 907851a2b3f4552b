import Testing

@testable import Btrfs
@testable import Layers

struct ExtentTableTests {
    private func extents(_ addresses: some Sequence<UInt64>, size: UInt64 = 4096) -> [DataExtent] {
        addresses.map { DataExtent(address: $0 << 20, size: size, content: size) }
    }

    private func members(_ list: [(UInt64, UInt64)]) -> [ExtentTable.Member] {
        list.map { ExtentTable.Member(id: $0.0, generation: $0.1) }
    }

    /// Makes the table hold what each subvolume has.
    private func update(_ table: inout ExtentTable, _ list: [(UInt64, UInt64)], _ contents: [UInt64: [DataExtent]]) -> [UInt64] {
        let stale = table.setMembers(members(list)) { $0.generation == $1.generation }
        for slot in stale {
            let id = table.members[slot].id
            table.add(slot) { body in contents[id]?.forEach(body) }
        }
        return stale.map { table.members[$0].id }
    }

    private func data(_ table: ExtentTable) -> [[UInt64]: UInt64] {
        Dictionary(
            uniqueKeysWithValues: table.shares().map { share in (share.members.slots.map { table.members[$0].id }, share.data) })
    }

    @Test func extentsAreCountedOnceForWhoeverHoldsThem() {
        var table = ExtentTable()
        let read = update(
            &table, [(256, 1), (257, 1), (258, 1)], [256: extents(1...4), 257: extents([2, 3, 3, 5]), 258: extents([3, 6])])
        #expect(read == [256, 257, 258])
        #expect(data(table) == [[256]: 8192, [256, 257]: 4096, [256, 257, 258]: 4096, [257]: 4096, [258]: 4096])
    }

    @Test func onlyWhatChangedIsReadAgainAndWhatIsGoneIsForgotten() throws {
        var table = ExtentTable()
        _ = update(&table, [(256, 1), (257, 1), (300, 1)], [256: extents(1...4), 257: extents(3...6), 300: extents(4...4)])
        // It travels through its file.
        var copy = try #require(ExtentTable(table.encoded()))
        #expect(data(copy) == data(table))
        let read = update(&copy, [(200, 1), (256, 1), (257, 2)], [200: extents(1...1), 257: extents([5, 9])])
        #expect(read == [200, 257])
        #expect(data(copy) == [[200, 256]: 4096, [256]: 3 * 4096, [257]: 8192])
        #expect(copy.count == 6)
    }

    @Test func anAddressThatWasFreeMeanwhileIsANewExtent() {
        var table = ExtentTable()
        _ = update(&table, [(256, 1)], [256: extents([1])])
        table.add(0) { body in extents([1], size: 8192).forEach(body) }
        #expect(data(table) == [[256]: 8192])
    }

    @Test func aDamagedFileIsNone() throws {
        var table = ExtentTable()
        _ = update(&table, [(256, 1)], [256: extents(1...100)])
        let bytes = try table.encoded()
        #expect(ExtentTable(bytes) != nil && ExtentTable([]) == nil && ExtentTable(bytes.dropLast()) == nil)
        for _ in 0..<50 {
            var damaged = bytes
            damaged[Int.random(in: 0..<bytes.count)] ^= UInt8.random(in: 1...255)
            #expect(ExtentTable(damaged) == nil)
        }
    }

    @Test func aSetOfSlotsIsASet() {
        let set = SlotSet([0, 63, 64, 200])
        #expect(set.slots == [0, 63, 64, 200] && set.contains(64) && !set.contains(65))
        #expect(SlotSet([63]).isSubset(of: set) && !set.isSubset(of: SlotSet([63])) && !set.intersects(SlotSet([1, 300])))
        #expect(set.moved(to: [5, nil]).slots == [5])
        #expect(set.moved(to: (0...200).map { $0 == 200 ? nil : $0 }) == SlotSet([0, 63, 64]))
    }
}
