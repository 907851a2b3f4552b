/// An IPv6 address.
public struct IPv6Address: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The halves, in host byte order.
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// From any notation of RFC 4291, section 2.2, without a zone; nil for anything else.
    public init?(_ text: String) {
        guard (2...45).contains(text.utf8.count) else { return nil }
        let halves = text.split(separator: "::", omittingEmptySubsequences: false)
        guard halves.count <= 2, let first = Self.groups(halves[0], isLast: halves.count == 1) else { return nil }
        var groups = first
        if halves.count == 2 {
            guard let last = Self.groups(halves[1], isLast: true), first.count + last.count <= 7 else { return nil }
            groups += [UInt16](repeating: 0, count: 8 - first.count - last.count) + last
        }
        guard groups.count == 8 else { return nil }
        func half(_ part: ArraySlice<UInt16>) -> UInt64 { part.reduce(0) { $0 << 16 | UInt64($1) } }
        (high, low) = (half(groups[..<4]), half(groups[4...]))
    }

    /// Groups of one side of the `::`; nil for what is none.
    private static func groups(_ text: Substring, isLast: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if isLast, index == parts.count - 1, part.contains(".") {
                guard let address = IPv4Address(String(part)) else { return nil }
                groups += [UInt16(address.value >> 16), UInt16(truncatingIfNeeded: address.value)]
                continue
            }
            let isHexadecimal = part.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
            }
            guard (1...4).contains(part.utf8.count), isHexadecimal, let group = UInt16(part, radix: 16) else { return nil }
            groups.append(group)
        }
        return groups.count <= 8 ? groups : nil
    }

    public static let any = IPv6Address(high: 0, low: 0)
    public static let loopback = IPv6Address(high: 0, low: 1)

    /// In network byte order.
    public var bytes: [UInt8] {
        [high, low].flatMap { half in stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> $0) } }
    }

    private var groups: [UInt16] {
        [high, low].flatMap { half in [48, 32, 16, 0].map { UInt16(truncatingIfNeeded: half >> $0) } }
    }

    /// As RFC 5952 wants it: lower case, and `::` for the longest run of zeros, the first of several.
    public var description: String {
        let groups = groups
        var (start, length) = (0, 1)
        for index in groups.indices {
            let zeros = groups[index...].prefix { $0 == 0 }.count
            if zeros > length { (start, length) = (index, zeros) }
        }
        func text(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        guard length > 1 else { return text(groups[...]) }
        return "\(text(groups[..<start]))::\(text(groups[(start + length)...]))"
    }

    public static func < (left: IPv6Address, right: IPv6Address) -> Bool { (left.high, left.low) < (right.high, right.low) }
}

/// An IPv6 network: `fd12:3456:789a:1::/64`.
public struct IPv6Subnet: Sendable, Equatable, CustomStringConvertible {
    public let base: IPv6Address
    /// Bits of the network's part.
    public let prefix: UInt8

    /// From CIDR notation with no host bits set, from /16 to /96: there is room for each IPv4 address.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let base = IPv6Address(String(parts[0])), (1...3).contains(parts[1].utf8.count),
            parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let prefix = UInt8(parts[1]), (16...96).contains(prefix)
        else { return nil }
        let mask = Self.mask(prefix)
        guard base.high & ~mask.high == 0, base.low & ~mask.low == 0, base.high >> 56 != 0xFF, base.high != 0 else { return nil }
        self.base = base
        self.prefix = prefix
    }

    /// A unique local network (RFC 4193), always the same for the same 7 bytes that nobody else has.
    public init(local bytes: some Sequence<UInt8>) {
        let rest = bytes.prefix(7).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        base = IPv6Address(high: 0xFD << 56 | rest, low: 0)
        prefix = 64
    }

    private static func mask(_ prefix: UInt8) -> (high: UInt64, low: UInt64) {
        // Shifts by the width and more give zero.
        (~(UInt64.max >> UInt64(min(prefix, 64))), ~(UInt64.max >> UInt64(max(prefix, 64) - 64)))
    }

    /// Its address with a number.
    public func address(_ number: UInt32) -> IPv6Address { IPv6Address(high: base.high, low: base.low + UInt64(number)) }

    public func contains(_ address: IPv6Address) -> Bool {
        let mask = Self.mask(prefix)
        return (address.high ^ base.high) & mask.high == 0 && (address.low ^ base.low) & mask.low == 0
    }

    public var description: String { "\(base)/\(prefix)" }
}
