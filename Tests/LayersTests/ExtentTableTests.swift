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
    ///
    /// - Parameter limit: how many are read.
    private func update(
        _ table: inout ExtentTable, _ list: [(UInt64, UInt64)], _ contents: [UInt64: [DataExtent]],
        sources: [UInt64: UInt64] = [:], limit: Int = .max
    ) -> [UInt64] {
        let stale = table.setMembers(members(list), sources: sources) { $0.generation == $1.generation }
        var read: [UInt64] = []
        table.read(stale.map { ($0, list[$0].1) }, while: { read.count < limit }) { id, body in
            read.append(id)
            contents[id]?.forEach(body)
        }
        return read
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

    @Test func aNewSnapshotHoldsWhatItsSourceDidUntilItIsRead() {
        var table = ExtentTable()
        _ = update(&table, [(256, 1)], [256: extents(1...4)])
        // One of a snapshot that is new as well; the source goes at the same time.
        let contents: [UInt64: [DataExtent]] = [300: extents(3...5), 301: extents(1...1)]
        let read = update(&table, [(300, 7), (301, 8)], contents, sources: [300: 256, 301: 300], limit: 1)
        #expect(read == [300] && table.members.map(\.generation) == [7, 0])
        #expect(data(table) == [[301]: 8192, [300, 301]: 8192, [300]: 4096] && table.count == 5)
        #expect(update(&table, [(300, 7), (301, 8)], contents) == [301])
        #expect(data(table) == [[301]: 4096, [300]: 3 * 4096] && table.members.map(\.generation) == [7, 8])
        // What says that it comes from itself, or from what is younger, comes from nothing that is known.
        _ = update(&table, [(300, 7), (400, 9), (401, 9)], [:], sources: [400: 401, 401: 401], limit: 0)
        #expect(data(table) == [[300]: 3 * 4096])
    }

    @Test func whatWasNotReadAgainStaysAsItWasKnown() {
        var table = ExtentTable()
        _ = update(&table, [(256, 1), (257, 1)], [256: extents(1...2), 257: extents(2...3)])
        let read = update(&table, [(256, 5), (257, 5)], [256: extents(7...7), 257: []], limit: 1)
        #expect(read == [256] && table.members == members([(256, 5), (257, 1)]))
        #expect(data(table) == [[256]: 4096, [257]: 8192])
    }

    @Test func anAddressThatWasFreeMeanwhileIsANewExtent() {
        var table = ExtentTable()
        _ = update(&table, [(256, 1)], [256: extents([1])])
        _ = update(&table, [(256, 1), (257, 1)], [257: extents([1], size: 8192)])
        #expect(data(table) == [[257]: 8192])
    }

    @Test func whatHasNoChecksumsIsCountedBySubvolume() throws {
        func extent(_ address: UInt64, of inode: UInt64, _ hasChecksums: Bool) -> DataExtent {
            DataExtent(
                address: address << 20, size: 8192, content: 8192, inode: inode, length: 4096, hasChecksums: hasChecksums)
        }
        var table = ExtentTable()
        let mixed = [extent(1, of: 5, false), extent(2, of: 5, false), extent(3, of: 6, true), extent(4, of: 7, false)]
        _ = update(&table, [(256, 1), (257, 1)], [256: mixed, 257: [extent(3, of: 5, true)]])
        #expect(table.members.map(\.unchecked) == [UncheckedFiles(files: 2, bytes: 12_288), nil])
        // A snapshot has what its source had until it is read, and what didn't change stays known.
        let read = update(
            &table, [(256, 1), (257, 1), (258, 2)], [258: [extent(1, of: 5, false)]], sources: [258: 256], limit: 0)
        #expect(read == [258] && table.members[0].unchecked?.files == 2 && table.members[2].unchecked?.files == 1)
        #expect(try ExtentTable(table.encoded())?.members == table.members)
        _ = update(&table, [(256, 3)], [256: [extent(3, of: 6, true)]])
        #expect(table.members.map(\.unchecked) == [nil])
    }

    @Test func groupsWithoutExtentsAreForgotten() throws {
        var table = ExtentTable()
        var list: [(UInt64, UInt64)] = [(256, 1)]
        _ = update(&table, list, [256: extents(1...9)])
        for id in UInt64(300)..<340 {
            list.append((id, id))
            _ = update(&table, list, [id: extents(1...9)], sources: [id: 256])
        }
        #expect(table.shares().count == 1)
        #expect(try table.encoded().count < 2500)
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
        #expect(set.moved(to: [[5, 7], []]).slots == [5, 7])
        #expect(set.moved(to: (0...200).map { $0 == 200 ? [] : [$0] }) == SlotSet([0, 63, 64]))
    }
}
