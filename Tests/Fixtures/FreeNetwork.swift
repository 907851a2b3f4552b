import Linux

/// Networks that nothing on this host has a route to.
public enum FreeNetwork {
    /// An IPv4 network of 256 addresses, in CIDR notation.
    ///
    /// - Throws: `FixtureError` when the host has routes to all of 10.64.0.0/10 and 10.128.0.0/10.
    public static func ipv4() throws -> String {
        // Each line: interface, destination, gateway, flags, …, mask as the eighth field, in host byte order.
        let routes = try Files.readText("/proc/net/route").split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: "\t").map { $0.filter { $0 != " " } }
            return fields.count > 7 ? number(fields[1]).flatMap { to in number(fields[7]).map { (to: to, mask: $0) } } : nil
        }
        return try ipv4(except: routes.filter { $0.mask != 0 })
    }

    private static func number(_ text: String) -> UInt32? { UInt32(text, radix: 16)?.byteSwapped }

    static func ipv4(except routes: [(to: UInt32, mask: UInt32)]) throws -> String {
        let all = 64 << 8..<192 << 8
        let start = Int.random(in: all)
        for offset in 0..<all.count {
            let place = UInt32(all.lowerBound + (start + offset) % all.count)
            let base = 10 << 24 | place << 8
            // Either may contain the other.
            if routes.allSatisfy({ ($0.to ^ base) & $0.mask & 0xffff_ff00 != 0 }) {
                return "10.\(place >> 8).\(place & 255).0/24"
            }
        }
        throw FixtureError("this host has routes to all networks from 10.64.0.0 to 10.191.255.0: tests have none")
    }
}
