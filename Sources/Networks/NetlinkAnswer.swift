/// Answers of the kernel over netlink(7): messages, and the attributes in them. Lengths that lead past the end, end it.
struct NetlinkAnswer {
    let type: UInt16
    let body: ArraySlice<UInt8>

    /// The messages of a datagram.
    static func messages(_ bytes: ArraySlice<UInt8>) -> [NetlinkAnswer] {
        var (found, rest) = ([NetlinkAnswer](), bytes)
        while rest.count >= 16 {
            let length = Int(little(rest.prefix(4)))
            guard length >= 16, length <= rest.count else { break }
            let type = UInt16(truncatingIfNeeded: little(rest.dropFirst(4).prefix(2)))
            found.append(NetlinkAnswer(type: type, body: rest.dropFirst(16).prefix(length - 16)))
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return found
    }

    /// Of NLMSG_ERROR: the error's number, 0 for none.
    var error: Int32 { Int32(truncatingIfNeeded: -Int64(Int32(bitPattern: Self.little(body.prefix(4))))) }

    /// Attributes by their kinds, the last of each.
    static func attributes(_ bytes: ArraySlice<UInt8>) -> [Int: ArraySlice<UInt8>] {
        var (found, rest) = ([Int: ArraySlice<UInt8>](), bytes)
        while rest.count >= 4 {
            let length = Int(little(rest.prefix(2)))
            guard length >= 4, length <= rest.count else { break }
            // Without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
            found[Int(little(rest.dropFirst(2).prefix(2))) & 0x3fff] = rest.dropFirst(4).prefix(length - 4)
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return found
    }

    static func little(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }

    /// A number in network byte order.
    static func big(_ bytes: ArraySlice<UInt8>?) -> UInt32 { (bytes ?? []).reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
}
