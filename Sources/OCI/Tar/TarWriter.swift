import Crypto
import Glibc
import Linux

/// Writes a tar archive: ustar headers, and PAX ones before those that need more. The same entries give the same bytes.
final class TarWriter {
    private let descriptor: CInt
    private var hash = SHA256()

    init(_ descriptor: CInt) {
        self.descriptor = descriptor
    }

    /// Writes an entry's headers; a file's data is written next, of exactly its size or that of its regions.
    func add(_ entry: TarEntry) throws {
        var records: [(String, [UInt8])] = []
        var path = entry.path
        if entry.kind == .directory, path.last != UInt8(ascii: "/") { path.append(UInt8(ascii: "/")) }
        var map: [UInt8] = []
        var stored = entry.kind == .file ? entry.size : 0
        if let regions = entry.regions {
            let numbers = [UInt64(regions.count)] + regions.flatMap { [$0.offset, $0.length] }
            map = Array(numbers.map { "\($0)\n" }.joined().utf8)
            map += [UInt8](repeating: 0, count: (512 - map.count % 512) % 512)
            stored = UInt64(map.count) + regions.reduce(0) { $0 + $1.length }
            records += [
                ("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.minor", Array("0".utf8)), ("GNU.sparse.name", path),
                ("GNU.sparse.realsize", Array("\(entry.size)".utf8)),
            ]
            path = Array("GNUSparseFile.0/".utf8) + path.suffix(60)
        }
        if path.count > 100 { records.append(("path", path)) }
        if entry.link.count > 100 { records.append(("linkpath", entry.link)) }
        if stored >= 1 << 33 { records.append(("size", Array("\(stored)".utf8))) }
        if entry.user >= 1 << 21 { records.append(("uid", Array("\(entry.user)".utf8))) }
        if entry.group >= 1 << 21 { records.append(("gid", Array("\(entry.group)".utf8))) }
        if entry.nanoseconds > 0 || entry.seconds < 0 || entry.seconds >= 1 << 33 {
            records.append(("mtime", Array(Self.time(entry).utf8)))
        }
        for attribute in entry.attributes {
            records.append(("SCHILY.xattr.\(String(decoding: attribute.name, as: UTF8.self))", attribute.value))
        }
        if !records.isEmpty {
            let body = Self.encode(records)
            try write(Self.header("PaxHeader/" + "x", type: "x", size: UInt64(body.count)))
            try write(body)
            try pad(UInt64(body.count))
        }
        var header = Self.block(
            path: Array(path.prefix(100)), type: Self.type(of: entry.kind), size: stored < 1 << 33 ? stored : 0)
        Self.put(UInt64(entry.mode & 0o7777), 100, 8, &header)
        Self.put(entry.user < 1 << 21 ? UInt64(entry.user) : 0, 108, 8, &header)
        Self.put(entry.group < 1 << 21 ? UInt64(entry.group) : 0, 116, 8, &header)
        Self.put((0..<1 << 33).contains(entry.seconds) ? UInt64(entry.seconds) : 0, 136, 12, &header)
        header.replaceSubrange(157..<157 + min(100, entry.link.count), with: entry.link.prefix(100))
        if entry.kind == .characterDevice || entry.kind == .blockDevice {
            Self.put(UInt64(entry.major), 329, 8, &header)
            Self.put(UInt64(entry.minor), 337, 8, &header)
        }
        Self.seal(&header)
        try write(header)
        try write(map)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        hash.update(bufferPointer: bytes)
        var position = 0
        while position < bytes.count {
            position += try retryingInterrupts("write", "archive") {
                Glibc.write(descriptor, bytes.baseAddress! + position, bytes.count - position)
            }
        }
    }

    /// Adds a regular file whose content is at hand.
    func add(_ content: [UInt8], at path: String) throws {
        var entry = TarEntry(path: Array(path.utf8), kind: .file)
        entry.size = UInt64(content.count)
        try add(entry)
        try content.withUnsafeBytes { try write($0) }
        try pad(entry.size)
    }

    /// Fills the last block of an entry's data.
    func pad(_ size: UInt64) throws {
        let rest = Int(size % 512)
        if rest > 0 { try write([UInt8](repeating: 0, count: 512 - rest)) }
    }

    /// Ends the archive and gives its digest.
    func finish() throws -> BlobDigest {
        try write([UInt8](repeating: 0, count: 1024))
        return BlobDigest(hash.finalize())
    }

    private func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    private static func type(of kind: TarEntry.Kind) -> Character {
        switch kind {
        case .file: "0"
        case .hardLink: "1"
        case .symbolicLink: "2"
        case .characterDevice: "3"
        case .blockDevice: "4"
        case .directory: "5"
        case .fifo: "6"
        }
    }

    private static func time(_ entry: TarEntry) -> String {
        var (seconds, nanoseconds) = (entry.seconds, entry.nanoseconds)
        if nanoseconds == 0 { return "\(seconds)" }
        let isNegative = seconds < 0
        if isNegative { (seconds, nanoseconds) = (-(seconds + 1), 1_000_000_000 - nanoseconds) }
        var digits = String(nanoseconds)
        digits = String(repeating: "0", count: 9 - digits.utf8.count) + digits
        while digits.last == "0" { digits.removeLast() }
        return "\(isNegative ? "-" : "")\(seconds).\(digits)"
    }

    private static func encode(_ records: [(String, [UInt8])]) -> [UInt8] {
        records.flatMap { key, value in
            let rest = Array(" \(key)=".utf8) + value + [UInt8(ascii: "\n")]
            // The length counts its own digits.
            var length = rest.count + 1
            while String(length).utf8.count + rest.count != length { length = String(length).utf8.count + rest.count }
            return Array(String(length).utf8) + rest
        }
    }

    private static func header(_ path: String, type: Character, size: UInt64) -> [UInt8] {
        var header = block(path: Array(path.utf8), type: type, size: size)
        put(0o644, 100, 8, &header)
        put(0, 108, 8, &header)
        put(0, 116, 8, &header)
        put(0, 136, 12, &header)
        seal(&header)
        return header
    }

    private static func block(path: [UInt8], type: Character, size: UInt64) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: TarHeader.size)
        header.replaceSubrange(0..<path.count, with: path)
        header[156] = type.asciiValue ?? 0
        header.replaceSubrange(257..<265, with: Array("ustar\0".utf8) + Array("00".utf8))
        put(size, 124, 12, &header)
        return header
    }

    /// Octal digits and a zero byte.
    private static func put(_ value: UInt64, _ start: Int, _ length: Int, _ header: inout [UInt8]) {
        let digits = String(value, radix: 8)
        let text = String(repeating: "0", count: max(0, length - 1 - digits.utf8.count)) + digits
        header.replaceSubrange(start..<start + length - 1, with: text.utf8)
    }

    private static func seal(_ header: inout [UInt8]) {
        header.replaceSubrange(148..<156, with: [UInt8](repeating: 32, count: 8))
        let sum = header.reduce(0) { $0 + UInt64($1) }
        put(sum, 148, 7, &header)
    }
}
