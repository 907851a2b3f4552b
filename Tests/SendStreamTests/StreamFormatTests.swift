import CSendStream
import SendStream
import Testing

@Suite struct StreamFormatTests {
    @Test(arguments: [UInt32(1), 2, 3]) func whatIsWrittenIsReadBackWhateverTheCommands(version: UInt32) throws {
        for seed in 0..<40 {
            var random = SeededGenerator(UInt64(seed))
            let streams = (0...Int.random(in: 0...2, using: &random)).map { _ in
                (0..<Int.random(in: 0...60, using: &random)).map { _ in random.command(version) }
            }
            let bytes = try streams.flatMap { try encode($0, version: version) }
            let expected = streams.flatMap { $0 + [Recorded(command: .end)] }
            #expect(try decode(bytes) == expected, "seed \(seed)")
            // The same from a source that gives it in pieces, and written again byte for byte.
            var reader = StreamReader(HesitantSource(bytes, seed: UInt64(seed)))
            var read: [Recorded] = []
            while let next = try reader.next({ Recorded(command: $0, data: $1.withUnsafeBytes { Array($0) }) }) {
                read.append(next)
            }
            #expect(read == expected, "seed \(seed)")
            #expect(reader.offset == UInt64(bytes.count))
            #expect(reader.streams == streams.count)
            #expect(try streams.flatMap { try encode($0, version: version) } == bytes)
        }
    }

    @Test func aStreamHasTheBytesThatTheKernelsFormatSays() throws {
        let bytes = try encode([Recorded(command: .makeDirectory(path: Array("ab".utf8), inode: 257))], version: 1)
        // Magic, version; length, command, checksum; path, inode; length 0, end, checksum.
        #expect(Array(bytes[..<17]) == Array("btrfs-stream\0".utf8) + [1, 0, 0, 0])
        #expect(Array(bytes[17..<23]) == [18, 0, 0, 0, 4, 0])
        #expect(Array(bytes[27..<45]) == [15, 0, 2, 0, 0x61, 0x62, 3, 0, 8, 0, 1, 1, 0, 0, 0, 0, 0, 0])
        #expect(Array(bytes[45..<51]) == [0, 0, 0, 0, 21, 0])
        // What btrfs-progs writes for an 'end'.
        #expect(Array(bytes[51...]) == [0x50, 0x6c, 0xc9, 0x9d])
    }

    @Test func theChecksumIsCRC32CWithAndWithoutTheProcessorsInstruction() {
        // The test vector of RFC 3720 B.4 for 32 zero bytes, with its inversions.
        let zeros = [UInt8](repeating: 0, count: 32)
        #expect(~dish_crc32c(~0, zeros, 32) == 0x8a91_36aa)
        var random = SeededGenerator(7)
        for _ in 0..<200 {
            let bytes = random.bytes(0...300)
            let start = UInt32(truncatingIfNeeded: random.next())
            #expect(dish_crc32c(start, bytes, bytes.count) == dish_crc32c_portable(start, bytes, bytes.count))
        }
    }

    @Test func whatAProtocolCannotSayIsRefusedWhenWritten() throws {
        #expect(throws: StreamError.self) {
            try encode([Recorded(command: .setFlags(path: [], flags: 0))], version: 1)
        }
        #expect(throws: StreamError.self) {
            try encode([Recorded(command: .unlink(path: Array(repeating: 1, count: 70_000)))], version: 2)
        }
        #expect(throws: StreamError.self) {
            try encode([Recorded(command: .write(path: [1], offset: 0), data: Array(repeating: 0, count: 70_000))], version: 1)
        }
    }

    @Test func aWriteThatFailsLeavesNothingInTheStream() throws {
        var writer = StreamWriter(MemorySink(), version: 1)
        try writer.begin()
        #expect(throws: StreamError.self) { try writer.write(.unlink(path: Array(repeating: 1, count: 70_000))) }
        try writer.write(.end)
        try writer.flush()
        #expect(try decode(writer.sink.bytes) == [Recorded(command: .end)])
    }
}
