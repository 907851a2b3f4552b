/// An extended header (POSIX pax, "pax Extended Header"): `LENGTH KEY=VALUE\n` lines.
struct PAXRecords {
    private(set) var records: [(key: String, value: [UInt8])] = []

    init() {}

    /// - Throws: `OCIError` `.damaged`.
    init(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        // Archives may be padded after the last record.
        while let first = rest.first, first != 0 {
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard let length = Int(String(decoding: digits, as: UTF8.self)), length <= rest.count, length > digits.count + 2,
                rest[rest.startIndex + digits.count] == UInt8(ascii: " "),
                rest[rest.startIndex + length - 1] == UInt8(ascii: "\n")
            else { throw OCIError(.damaged, "an extended header has a record of the wrong length") }
            let record = rest[(rest.startIndex + digits.count + 1)..<(rest.startIndex + length - 1)]
            guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
                throw OCIError(.damaged, "an extended header has a record without a value")
            }
            records.append((String(decoding: record[..<equals], as: UTF8.self), Array(record[(equals + 1)...])))
            rest = rest.dropFirst(length)
        }
    }

    static func + (left: PAXRecords, right: PAXRecords) -> PAXRecords {
        var sum = left
        sum.records += right.records
        return sum
    }

    /// Later records win over earlier ones.
    subscript(_ key: String) -> [UInt8]? { records.last { $0.key == key }?.value }

    func number(_ key: String) throws -> UInt64? {
        guard let value = self[key] else { return nil }
        return try Self.number(value)
    }

    private static func number(_ text: [UInt8]) throws -> UInt64 {
        guard let number = UInt64(String(decoding: text, as: UTF8.self)) else {
            throw OCIError(
                .damaged, "an extended header has '\(String(decoding: text.prefix(40), as: UTF8.self))' where a number belongs")
        }
        return number
    }

    /// Puts what is said here over what the header says.
    ///
    /// - Returns: whether the map of a sparse file is at the beginning of its data (GNU's format 1.0).
    func apply(to entry: inout TarEntry) throws -> Bool {
        if let path = self["path"] { entry.path = path }
        if let link = self["linkpath"] { entry.link = link }
        if let size = try number("size") { entry.size = size }
        if let user = try number("uid") { entry.user = UInt32(truncatingIfNeeded: min(user, UInt64(UInt32.max - 1))) }
        if let group = try number("gid") { entry.group = UInt32(truncatingIfNeeded: min(group, UInt64(UInt32.max - 1))) }
        if let time = self["mtime"] { (entry.seconds, entry.nanoseconds) = try Self.time(time) }
        let prefix = "SCHILY.xattr."
        for record in records where record.key.hasPrefix(prefix) {
            let name = Array(record.key.dropFirst(prefix.count).utf8)
            entry.attributes.removeAll { $0.name == name }
            entry.attributes.append((name, record.value))
        }
        entry.attributes.sort { $0.name.lexicographicallyPrecedes($1.name) }
        return try applySparse(to: &entry)
    }

    private func applySparse(to entry: inout TarEntry) throws -> Bool {
        if let name = self["GNU.sparse.name"] { entry.path = name }
        if try number("GNU.sparse.major") == 1 { return true }
        if let map = self["GNU.sparse.map"] {
            let numbers = try map.split(separator: UInt8(ascii: ",")).map { try Self.number(Array($0)) }
            guard numbers.count.isMultiple(of: 2) else { throw OCIError(.damaged, "a sparse map has an odd count of numbers") }
            entry.regions = stride(from: 0, to: numbers.count, by: 2).map { .init(offset: numbers[$0], length: numbers[$0 + 1]) }
        } else if try number("GNU.sparse.numblocks") != nil {
            var regions: [TarEntry.Region] = []
            for record in records {
                if record.key == "GNU.sparse.offset" { regions.append(.init(offset: try Self.number(record.value), length: 0)) }
                if record.key == "GNU.sparse.numbytes", !regions.isEmpty {
                    regions[regions.count - 1].length = try Self.number(record.value)
                }
            }
            entry.regions = regions
        }
        return false
    }

    /// Decimal seconds with a fraction, which is cut after nine digits.
    private static func time(_ text: [UInt8]) throws -> (Int64, UInt32) {
        let parts = String(decoding: text, as: UTF8.self).split(separator: ".", maxSplits: 1)
        guard let first = parts.first, let seconds = Int64(first) else { throw OCIError(.damaged, "a time is no number") }
        guard parts.count == 2 else { return (seconds, 0) }
        let digits = parts[1].prefix(9)
        guard let fraction = UInt32(digits) else { throw OCIError(.damaged, "a time is no number") }
        let nanoseconds = (digits.count..<9).reduce(fraction) { value, _ in value * 10 }
        guard first.hasPrefix("-"), nanoseconds > 0 else { return (seconds, nanoseconds) }
        guard seconds > Int64.min else { throw OCIError(.damaged, "a time is out of range") }
        return (seconds - 1, 1_000_000_000 - nanoseconds)
    }
}
