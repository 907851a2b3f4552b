import CSendStream
import SendStream
import Testing

/// Every fault is found, and said where it is.
@Suite struct StreamErrorTests {
    /// A stream of one command made by hand, checksum and all.
    private func stream(_ command: UInt16, _ body: [UInt8], version: UInt32 = 2) throws -> [UInt8] {
        try encode([], version: version, ends: false) + raw(command, body) + raw(21, [])
    }

    private func raw(_ command: UInt16, _ body: [UInt8]) -> [UInt8] {
        var bytes = little(UInt32(body.count)) + little(command) + [0, 0, 0, 0] + body
        bytes.replaceSubrange(6..<10, with: little(dish_crc32c(0, bytes, bytes.count)))
        return bytes
    }

    private func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        little(type) + little(UInt16(value.count)) + value
    }

    private func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

    private func fault(_ bytes: [UInt8]) -> StreamError? {
        var faults: [StreamError?] = []
        do {
            _ = try decode(bytes)
            faults.append(nil)
        } catch { faults.append(error as? StreamError) }
        do {
            var reader = StreamReader(HesitantSource(bytes, seed: 3))
            while try reader.next({ _, _ in true }) != nil {}
            faults.append(nil)
        } catch { faults.append(error as? StreamError) }
        #expect(faults[0] == faults[1], "in memory and from a source")
        return faults[0]
    }

    private let path: [UInt8] = [15, 0, 1, 0, 0x61]

    @Test func aStreamCutAnywhereIsTruncated() throws {
        var random = SeededGenerator(1)
        let commands = (0..<6).map { _ in random.command(2) }
        let bytes = try encode(commands, version: 2)
        for length in 0..<min(bytes.count, 3000) {
            #expect(fault(Array(bytes[..<length]))?.code == .truncated, "length \(length)")
        }
    }

    @Test func anEndThatIsMissingIsSaid() throws {
        let fault = fault(try encode([Recorded(command: .unlink(path: [1]))], version: 1, ends: false))
        #expect(fault?.code == .truncated)
        #expect(fault?.description.contains("no 'end'") == true)
    }

    @Test func aChangedByteNeverPasses() throws {
        var random = SeededGenerator(2)
        let commands = (0..<5).map { _ in random.command(1) }
        let bytes = try encode(commands, version: 1)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= UInt8.random(in: 1...255, using: &random)
            // Another known protocol is all that a changed byte can make of it without being found.
            let isVersion = (13..<17).contains(index)
            let fault = fault(damaged)
            #expect(fault != nil || isVersion, "byte \(index)")
        }
    }

    @Test func aBadChecksumIsSaidWithItsPlace() throws {
        var bytes = try encode(
            [Recorded(command: .unlink(path: [1])), Recorded(command: .unlink(path: [2]))], version: 1)
        let second = 17 + 10 + 5
        bytes[second + 14] ^= 1
        #expect(
            fault(bytes)
                == StreamError(.badChecksum, at: UInt64(second), "the command's checksum is wrong: the stream is damaged"))
    }

    @Test func somethingElseIsNoStream() {
        #expect(fault(Array("hello, this is text".utf8))?.code == .notAStream)
        #expect(fault(Array("btrfs-stream\0".utf8) + [9, 0, 0, 0])?.code == .unsupportedVersion)
        #expect(fault(Array("btrfs-stream\0".utf8) + [0, 0, 0, 0])?.code == .unsupportedVersion)
        #expect(fault([])?.code == .truncated)
    }

    @Test func bytesAfterTheEndAreNoStream() throws {
        let bytes = try encode([], version: 1)
        #expect(fault(bytes + [1])?.code == .trailingBytes)
        #expect(fault(bytes + [1])?.offset == UInt64(bytes.count))
        #expect(fault(bytes + bytes[..<5])?.code == .truncated)
        #expect(fault(bytes + bytes) == nil)
    }

    @Test func unknownCommandsAndThoseOfLaterProtocolsAreRefused() throws {
        #expect(fault(try stream(99, path))?.code == .unknownCommand)
        #expect(fault(try stream(0, path))?.code == .unknownCommand)
        #expect(fault(try stream(23, path, version: 1))?.code == .unknownCommand)
        #expect(fault(try stream(26, path, version: 2))?.code == .unknownCommand)
    }

    @Test func aCommandLongerThanAnyIsRefusedBeforeItIsRead() throws {
        let bytes = try encode([], version: 2, ends: false) + little(UInt32.max) + little(UInt16(15)) + [0, 0, 0, 0]
        #expect(fault(bytes)?.code == .tooLong)
    }

    @Test func faultsOfAttributesAreToldApart() throws {
        let unlink: UInt16 = 11
        #expect(fault(try stream(unlink, path)) == nil)
        #expect(fault(try stream(unlink, []))?.code == .missingAttribute)
        #expect(fault(try stream(unlink, path + path))?.code == .duplicateAttribute)
        #expect(fault(try stream(unlink, attribute(99, [])))?.code == .unknownAttribute)
        #expect(fault(try stream(unlink, attribute(0, [])))?.code == .unknownAttribute)
        #expect(fault(try stream(unlink, [15, 0, 2, 0, 0x61]))?.code == .attributeOutOfBounds)
        #expect(fault(try stream(unlink, [15, 0, 2]))?.code == .attributeOutOfBounds)
        #expect(fault(try stream(unlink, [15]))?.code == .attributeOutOfBounds)
        #expect(fault(try stream(unlink, attribute(15, [0x61, 0])))?.code == .invalidValue)
        // A size of four bytes, a UUID of three, a time of eleven.
        #expect(fault(try stream(17, path + attribute(4, [1, 2, 3, 4])))?.code == .invalidValue)
        #expect(
            fault(try stream(1, path + attribute(1, [1, 2, 3]) + attribute(2, little(UInt64(1)))))?.code == .invalidValue)
        #expect(
            fault(try stream(20, path + [9, 10, 11].flatMap { attribute($0, Array(repeating: 0, count: 11)) }))?.code
                == .invalidValue)
        let reason = fault(try stream(17, path))?.reason
        #expect(reason == "'truncate' lacks its attribute 'size'")
    }

    @Test func dataOfProtocolTwoIsAllThatIsLeft() throws {
        let offset = attribute(18, little(UInt64(5)))
        #expect(fault(try stream(15, path + offset + [19, 0])) == nil)
        let bytes = try stream(15, path + offset + [19, 0, 1, 2, 3, 4, 5])
        #expect(try decode(bytes)[0] == Recorded(command: .write(path: [0x61], offset: 5), data: [1, 2, 3, 4, 5]))
        #expect(fault(try stream(15, path + offset + [19, 0, 9, 0, 3], version: 1))?.code == .attributeOutOfBounds)
    }
}
