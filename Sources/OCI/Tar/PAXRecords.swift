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

    var isEmpty: Bool { records.isEmpty }

    /// Whether one of them is an extended attribute.
    var setsAttributes: Bool { records.contains { $0.key.hasPrefix(Self.attribute) } }

    private static let attribute = "SCHILY.xattr."
    /// The most attributes of a file, and the most bytes of their names: the kernel lists no more (`XATTR_LIST_MAX`).
    private static let mostAttributes = 1000
    private static let mostNameBytes = 60 << 10

    mutating func add(_ other: PAXRecords) {
        if records.isEmpty { records = other.records } else { records += other.records }
    }

    /// Takes further records, each instead of an earlier one of its key.
    ///
    /// - Parameter limit: the most bytes that all have.
    mutating func replace(with other: PAXRecords, limit: UInt64) throws {
        var latest: [String: [UInt8]] = [:]
        for record in records + other.records { latest[record.key] = record.value }
        let bytes = latest.reduce(0) { $0 + $1.key.utf8.count + $1.value.count }
        guard bytes <= limit else { throw OCIError(.hostile, "global headers of more than \(limit >> 10) KiB") }
        records = latest.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
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
        try applyAttributes(to: &entry)
        return try applySparse(to: &entry)
    }

    private func applyAttributes(to entry: inout TarEntry) throws {
        var attributes: [[UInt8]: [UInt8]] = [:]
        for record in records where record.key.hasPrefix(Self.attribute) {
            attributes[Array(record.key.dropFirst(Self.attribute.count).utf8)] = record.value
        }
        if attributes.isEmpty { return }
        guard attributes.count <= Self.mostAttributes, attributes.keys.reduce(0, { $0 + $1.count + 1 }) <= Self.mostNameBytes
        else {
            throw OCIError(.hostile, "\(attributes.count) attributes of one file, or names of more than 60 KiB")
        }
        for attribute in entry.attributes where attributes[attribute.name] == nil { attributes[attribute.name] = attribute.value }
        entry.attributes = attributes.map { (name: $0.key, value: $0.value) }
            .sorted { $0.name.lexicographicallyPrecedes($1.name) }
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
