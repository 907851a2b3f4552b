import CLinux
import Glibc
import Linux

// Compiled together with the sources of OCI (scripts/fuzz).

/// Whatever the bytes: the reader gives entries or an `OCIError`; and what it gave is read back the same when it is written.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var bytes = Array(UnsafeBufferPointer(start: start, count: count))
    repair(&bytes)
    for (entry, content) in read(bytes) {
        _ = try? EntryPath(entry.path)
        _ = try? EntryPath(entry.link)
        writeAndRead(entry, content)
    }
    return 0
}

/// Random bytes seldom have a right checksum: each block that may be a header gets its own.
private func repair(_ bytes: inout [UInt8]) {
    for start in stride(from: 0, to: bytes.count - bytes.count % 512, by: 512) where bytes[start + 257] == UInt8(ascii: "u") {
        var sum = 8 * 32
        for index in 0..<512 where !(148..<156).contains(index) { sum += Int(bytes[start + index]) }
        let digits = Array(String(sum, radix: 8).utf8)
        let field = [UInt8](repeating: UInt8(ascii: "0"), count: 6 - digits.count) + digits + [0, 32]
        bytes.replaceSubrange(start + 148..<start + 156, with: field)
    }
}

private func memoryFile(_ bytes: [UInt8]) -> OwnedFD {
    let file = OwnedFD(adopting: dish_memory_file("fuzz"))
    do { try Files.write(bytes, to: file.number, "fuzz") } catch { fatalError("\(error)") }
    lseek(file.number, 0, SEEK_SET)
    return file
}

private func read(_ bytes: [UInt8]) -> [(TarEntry, [UInt8])] {
    let file = memoryFile(bytes)
    var found: [(TarEntry, [UInt8])] = []
    do {
        var reader = TarReader(ArchiveInput(file.number, limit: 1 << 30))
        while let entry = try reader.next() {
            var content: [UInt8] = []
            try reader.content { content.append(contentsOf: $0) }
            found.append((entry, content))
        }
    } catch {
        guard error is OCIError else { fatalError("\(error)") }
    }
    return found
}

private func writeAndRead(_ given: TarEntry, _ content: [UInt8]) {
    var entry = given
    // What a header can't say: a name that ends with a slash is a directory's, and empty or zero-ended ones are cut.
    guard !entry.path.contains(0), !entry.link.contains(0), !entry.path.isEmpty, entry.path.count < 1 << 16 else { return }
    guard
        !entry.attributes.contains(where: {
            $0.name.contains(UInt8(ascii: "=")) || String(validating: $0.name, as: UTF8.self) == nil
        })
    else { return }
    if entry.kind == .directory, entry.path.last != UInt8(ascii: "/") { entry.path.append(UInt8(ascii: "/")) }
    if entry.kind != .file { entry.size = 0 }
    guard entry.major < 1 << 21, entry.minor < 1 << 21 else { return }
    let file = OwnedFD(adopting: dish_memory_file("fuzz"))
    do {
        let writer = TarWriter(file.number)
        try writer.add(entry)
        try content.withUnsafeBytes { try writer.write($0) }
        try writer.pad(UInt64(content.count))
        _ = try writer.finish()
    } catch {
        fatalError("\(error)")
    }
    lseek(file.number, 0, SEEK_SET)
    var written: [UInt8] = []
    do { written = try Files.read(file, "fuzz") } catch { fatalError("\(error)") }
    let again = read(written)
    guard again.count == 1, again[0].0 == entry, again[0].1 == content else { fatalError("\(entry) became \(again.map(\.0))") }
}
