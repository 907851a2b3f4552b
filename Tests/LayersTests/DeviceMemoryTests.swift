import Testing

@testable import Btrfs
@testable import Layers

struct DeviceMemoryTests {
    /// A device with its last four commits, each with a root of its own.
    private func device(_ id: UInt64, _ generation: UInt64, side: UInt64 = 0, of count: UInt64 = 2) -> Superblock {
        let recent = (generation - 3...generation).map { Superblock.Commit(generation: $0, root: $0 << 16 | side) }
        return Superblock(filesystem: "f", device: id, deviceCount: count, last: recent[3], recent: recent)
    }

    private func scrub(_ started: Int64, uncorrectable: UInt64 = 0, _ outcome: ScrubRecord.Outcome = .finished) -> ScrubRecord {
        var found = ScrubProgress()
        found.uncorrectable = uncorrectable
        return ScrubRecord(started: started, ended: started + 1, outcome: outcome, by: "command", found: found, failure: nil)
    }

    @Test func devicesWithTheSameCommitAreWell() {
        var memory = DeviceMemory()
        memory.noteMount([device(1, 10), device(2, 10)], at: 1)
        memory.noteUse([device(1, 12), device(2, 11)], at: 2)
        #expect(memory.behind.isEmpty && memory.degradedMounts.isEmpty)
    }

    @Test func aDeviceThatMissedCommitsIsStaleUntilAScrubEndsWell() {
        var memory = DeviceMemory()
        memory.noteMount([device(1, 10), device(2, 10)], at: 1)
        memory.noteMount([device(1, 10)], at: 2)
        #expect(memory.degradedMounts.map(\.present) == [[1]])
        memory.noteMount([device(1, 30), device(2, 10)], at: 3)
        #expect(memory.behind.map(\.device) == [2] && memory.behind.map(\.isWrittenAlone) == [false])
        // The first commit makes their superblocks alike.
        memory.noteUse([device(1, 31), device(2, 31)], at: 4)
        #expect(memory.behind(after: [scrub(2), scrub(5, uncorrectable: 1), scrub(6, .cancelled)]).count == 1)
        #expect(memory.behind(after: [scrub(5)]).isEmpty)
        memory.forget([2])
        #expect(memory.behind.isEmpty)
    }

    @Test(arguments: [
        // The same number of commits, of the next four, and of many.
        (UInt64(30), UInt64(30)), (30, 28), (90, 28),
    ])
    func halvesThatWereWrittenAloneHaveDiverged(_ first: UInt64, _ second: UInt64) {
        var memory = DeviceMemory()
        memory.noteMount([device(1, 10), device(2, 10)], at: 1)
        memory.noteMount([device(1, 12)], at: 2)
        memory.noteMount([device(2, 12)], at: 3)
        memory.noteMount([device(1, first, side: 1), device(2, second, side: 2)], at: 4)
        #expect(memory.behind.count == 1 && memory.behind[0].isWrittenAlone, "\(memory)")
        // By hand, without this host's knowledge.
        var unaware = DeviceMemory()
        unaware.noteMount([device(1, 10), device(2, 10)], at: 1)
        unaware.noteMount([device(1, first, side: 1), device(2, second, side: 2)], at: 4)
        #expect(unaware.behind.count == 1 && unaware.behind[0].isWrittenAlone, "\(unaware)")
    }

    @Test func halvesWithTheSameAddressesAndTransactionsAreToldByTheirRoots() {
        let roots = [1, 2].map { UnmountedDevice.Block(generation: 14, checksum: [$0]) }
        var memory = DeviceMemory()
        memory.noteMount([device(1, 14), device(2, 14)], roots: [1: roots[0], 2: roots[1]], at: 1)
        #expect(memory.behind.map(\.isWrittenAlone) == [true])
        var alike = DeviceMemory()
        alike.noteMount([device(1, 14), device(2, 14)], roots: [1: roots[0], 2: roots[0]], at: 1)
        #expect(alike.behind.isEmpty)
    }

    @Test(arguments: [(UInt8(1), false), (2, true)])
    func theRootThatTheNewestStillHasTells(_ checksum: UInt8, _ isWrittenAlone: Bool) {
        let (first, second) = (device(1, 14), device(2, 12))
        let root = UnmountedDevice.Block(generation: 12, checksum: [1])
        var memory = DeviceMemory()
        memory.noteMount([first, second], roots: [2: root], at: 1) { device, logical in
            device == 1 && logical == second.last.root ? .init(generation: 12, checksum: [checksum]) : nil
        }
        #expect(memory.behind.map(\.isWrittenAlone) == [isWrittenAlone])
    }

    @Test func commitsAfterTheLastLookAreNoDivergence() {
        var memory = DeviceMemory()
        memory.noteMount([device(1, 10), device(2, 10)], at: 1)
        // Both went on to 50 before one was away.
        memory.noteMount([device(1, 50)], at: 2)
        memory.noteMount([device(1, 90), device(2, 50)], at: 3)
        #expect(memory.behind.map(\.isWrittenAlone) == [false])
    }

    @Test func aDeviceThatFallsBehindInUseIsStale() {
        var memory = DeviceMemory()
        memory.noteUse([device(1, 12), device(2, 10)], at: 1)
        memory.noteUse([device(1, 20), device(2, 10)], at: 2)
        #expect(memory.behind.map(\.since) == [1])
    }

    @Test func theWorstOfADeviceIsItsState() {
        var memory = DeviceMemory()
        memory.noteMount([device(1, 30, side: 1), device(2, 30, side: 2)], at: 1)
        let devices = [1, 2].map { id in
            Device(
                id: id, path: "/dev/\(id)", size: 1, allocated: 0, isMissing: false, isCut: false,
                errors: DeviceErrors(generations: id == 2 ? 4 : 0))
        }
        let health = PoolHealth(devices, [], behind: memory.behind, isChanging: false)
        #expect(Set([1, 2].map { health.state(ofDevice: $0) }).contains(.diverged))
        #expect(health.problems.allSatisfy { !"\($0)".isEmpty })
        let stale = memory.behind.map {
            DeviceMemory.Behind(device: $0.device, generation: 1, newest: 9, since: 1, isWrittenAlone: false)
        }
        let problem = PoolHealth(devices, [], behind: stale, isChanging: false).problems.first { $0.kind == "stale" }
        #expect(problem?.description.contains("dish pool scrub start") == true)
        #expect(problem?.description.contains("chattr +C") == true)
    }

    @Test func aSuperblockIsReadByItsOffsets() {
        var bytes = [UInt8](repeating: 0, count: 4096)
        #expect(Superblock(bytes) == nil)
        func put(_ value: UInt64, _ offset: Int) {
            for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
        }
        bytes.replaceSubrange(64..<72, with: "_BHRfS_M".utf8)
        for (value, offset) in [(7, 72), (0x5000, 80), (3, 136), (2, 201), (0x5000, 2859), (7, 2867), (0x4000, 3027), (6, 3035)] {
            put(UInt64(value), offset)
        }
        let read = Superblock(bytes)
        #expect(read?.device == 2 && read?.deviceCount == 3 && read?.last == .init(generation: 7, root: 0x5000))
        #expect(read?.recent == [.init(generation: 7, root: 0x5000), .init(generation: 6, root: 0x4000)])
        #expect(Superblock(Array(bytes.dropLast())) == nil)
    }
}
