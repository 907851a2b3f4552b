/// An IPv4 address.
public struct IPv4Address: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// In host byte order.
    public let value: UInt32

    public init(value: UInt32) {
        self.value = value
    }

    /// From dotted-quad notation; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }), let byte = UInt8(part)
            else { return nil }
            value = value << 8 | UInt32(byte)
        }
        self.value = value
    }

    /// In network byte order.
    public var bytes: [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

    public var description: String { bytes.map(String.init).joined(separator: ".") }

    public static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.value < right.value }
}

/// An IPv4 network: `10.209.0.0/16`.
public struct IPv4Subnet: Sendable, Equatable, CustomStringConvertible {
    public let base: IPv4Address
    /// Bits of the network's part.
    public let prefix: UInt8

    /// From CIDR notation with no host bits set and room for a gateway and a task: /8 to /29.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let base = IPv4Address(String(parts[0])), parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
            let prefix = UInt8(parts[1]), (8...29).contains(prefix), base.value << prefix == 0
        else { return nil }
        self.base = base
        self.prefix = prefix
    }

    /// The first address: the host's, on the bridge.
    public var gateway: IPv4Address { IPv4Address(value: base.value + 1) }

    /// Addresses for tasks.
    public var addresses: ClosedRange<UInt32> { base.value + 2...base.value + ((UInt32(1) << (32 - UInt32(prefix))) - 2) }

    public var description: String { "\(base)/\(prefix)" }

    public func contains(_ address: IPv4Address) -> Bool { (address.value ^ base.value) >> (32 - UInt32(prefix)) == 0 }

    /// A free address, beginning after the one given last so that addresses are reused late.
    public func free(except used: Set<IPv4Address>, after last: IPv4Address?) -> IPv4Address? {
        let start = last.map { addresses.contains($0.value + 1) ? $0.value + 1 : addresses.lowerBound } ?? addresses.lowerBound
        for value in [start...addresses.upperBound, addresses.lowerBound...start].joined() {
            let address = IPv4Address(value: value)
            if !used.contains(address) { return address }
        }
        return nil
    }
}
