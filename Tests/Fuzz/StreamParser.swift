import CSendStream

// Compiled together with the sources of SendStream (scripts/fuzz).

/// Whatever the bytes: the parser gives commands or a `StreamError`, never anything beyond the bytes; and what it gave is
/// read back the same when it is written.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var bytes = Array(UnsafeBufferPointer(start: start, count: count))
    // Random bytes seldom have a right checksum: half of the inputs get theirs.
    if let first = bytes.first, first & 1 == 1 {
        bytes[0] = UInt8(ascii: "b")
        repair(&bytes)
    }
    var commands: [(command: StreamCommand, data: [UInt8], version: UInt32)] = []
    do {
        var reader = StreamReader(MemorySource(bytes))
        while try reader.next({ command, data in
            commands.append((command, data.withUnsafeBytes { Array($0) }, 0))
        }) != nil {
            commands[commands.count - 1].version = reader.version ?? 3
            inspect(commands[commands.count - 1].command)
        }
    } catch {
        guard error is StreamError else { fatalError("\(error)") }
    }
    for (command, data, version) in commands where command != .end { writeAndRead(command, data, version) }
    return 0
}

private func repair(_ bytes: inout [UInt8]) {
    var position = StreamFormat.streamHeader
    while position + StreamFormat.commandHeader <= bytes.count {
        let length = (0..<4).reduce(0) { $0 | Int(bytes[position + $1]) << (8 * $1) }
        let end = position + StreamFormat.commandHeader + length
        guard end <= bytes.count else { return }
        for index in 6..<10 { bytes[position + index] = 0 }
        let checksum = bytes.withUnsafeBytes { dish_crc32c(0, $0.baseAddress! + position, end - position) }
        for index in 0..<4 { bytes[position + 6 + index] = UInt8(truncatingIfNeeded: checksum >> (8 * UInt32(index))) }
        position = end
    }
}

/// What is done with each command before it is applied.
private func inspect(_ command: StreamCommand) {
    _ = command.fields
    for case (_, .text(let bytes)) in command.fields { _ = try? StreamPath(bytes) }
    if case .encodedWrite(_, let extent) = command {
        let data = [UInt8](repeating: 0x5a, count: 64)
        data.withUnsafeBytes { data in
            guard (try? EncodedData.check(extent, data)) != nil else { return }
            try? EncodedData.withDecoded(extent, data) { _ in }
        }
    }
}

private func writeAndRead(_ command: StreamCommand, _ data: [UInt8], _ version: UInt32) {
    do {
        var writer = StreamWriter(MemorySink(), version: max(version, command.type.since))
        try writer.begin()
        try data.withUnsafeBytes { try writer.write(command, data: $0) }
        try writer.write(.end)
        try writer.flush()
        var found: [(StreamCommand, [UInt8])] = []
        try SendStream.forEachCommand(in: writer.sink.bytes.span.bytes) { command, data, _ in
            found.append((command, data.withUnsafeBytes { Array($0) }))
        }
        guard let first = found.first, first.0 == command, first.1 == data else { fatalError("\(command) became \(found)") }
    } catch let error as StreamError where error.code == .invalidValue {
        // Data of protocol 2 or 3 that is too long for what it is written as.
    } catch {
        fatalError("\(error)")
    }
}
