import Networks
import Spec
import Testing

@Suite struct IPv6Tests {
    @Test(
        arguments: [
            ("::", 0, 0, "::"), ("::1", 0, 1, "::1"), ("1::", 0x1_0000_0000_0000, 0, "1::"),
            ("fd12:3456:789a:1::2", 0xFD12_3456_789A_0001, 2, "fd12:3456:789a:1::2"),
            ("FD12:3456:789A:0001:0000:0000:0000:0002", 0xFD12_3456_789A_0001, 2, "fd12:3456:789a:1::2"),
            ("1:2:3:4:5:6:7:8", 0x0001_0002_0003_0004, 0x0005_0006_0007_0008, "1:2:3:4:5:6:7:8"),
            ("1:2:3:4:5:6:7::", 0x0001_0002_0003_0004, 0x0005_0006_0007_0000, "1:2:3:4:5:6:7:0"),
            ("::ffff:10.0.0.1", 0, 0xFFFF_0A00_0001, "::ffff:a00:1"),
            // RFC 5952: the longest run, the first of several, and never one group alone.
            ("2001:db8:0:0:1:0:0:1", 0x2001_0DB8_0000_0000, 0x0001_0000_0000_0001, "2001:db8::1:0:0:1"),
            ("2001:db8:0:1:1:1:1:1", 0x2001_0DB8_0000_0001, 0x0001_0001_0001_0001, "2001:db8:0:1:1:1:1:1"),
            ("0:0:1:0:0:0:1:1", 0x0000_0000_0001_0000, 0x0000_0000_0001_0001, "0:0:1::1:1"),
        ] as [(String, UInt64, UInt64, String)])
    func anAddressIsRead(_ text: String, _ high: UInt64, _ low: UInt64, _ printed: String) {
        #expect(IPv6Address(text) == IPv6Address(high: high, low: low))
        #expect(IPv6Address(high: high, low: low).description == printed)
    }

    @Test(arguments: [
        "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", "::1%eth0", "[::1]", " ::1",
        "::1 ",
        "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "::1.2.3", "1.2.3.4", "::1.2.3.4.5",
        "1.2.3.4::",
        "::1.2.3.4:5", "::-1", "::+1", "::ä", "1:2:3:4:5:6:7:1.2.3.4", ";drop", "::1\n",
    ])
    func whatIsNoAddressIsRefused(_ text: String) {
        #expect(IPv6Address(text) == nil)
    }

    @Test func anAddressPrintsAsItIsRead() {
        for _ in 0..<2000 {
            // Runs of zeros are what notation is about.
            let mask = UInt64.random(in: 0...15) * 0x1111 | 0xFFFF_0000_0000_0000 * UInt64.random(in: 0...1)
            let address = IPv6Address(
                high: .random(in: 0 ... .max) & ~mask, low: Bool.random() ? 0 : .random(in: 0 ... .max) & mask)
            #expect(IPv6Address(address.description) == address)
        }
    }

    /// Whatever it is, it is read to its end or refused.
    @Test func randomTextIsNoTrap() {
        let letters = Array(":.0123456789abcdefABCDEFg%[]/ ")
        for _ in 0..<20_000 {
            let text = String((0..<Int.random(in: 0...48)).map { _ in letters.randomElement()! })
            if let address = IPv6Address(text) { #expect(IPv6Address(address.description) == address) }
            _ = IPv6Subnet(text)
            _ = try? PublishedPort(parsing: text)
        }
    }

    @Test(arguments: ["fd12:3456:789a:1::/64", "fd00::/48", "2001:db8::/32", "fd00:0:0:0:1::/96"])
    func aSubnetIsRead(_ text: String) throws {
        let subnet = try #require(IPv6Subnet(text))
        #expect(subnet.contains(subnet.address(1)) && subnet.contains(subnet.address(.max)))
        #expect(subnet.address(0) == subnet.base && !subnet.contains(.loopback))
        #expect(IPv6Subnet(subnet.description) == subnet)
    }

    @Test(arguments: [
        "fd00::", "fd00::/", "fd00::/8", "fd00::/97", "fd00::/064x", "fd00::1/64", "fd00:0:0:0:1::/64", "::/64", "ff02::/64",
        "fd00::/+64",
        "fd00::/64/64", "10.0.0.0/16",
    ])
    func whatIsNoSubnetIsRefused(_ text: String) {
        #expect(IPv6Subnet(text) == nil)
    }

    @Test func aHostsOwnSubnetIsUniqueLocalAndAlwaysTheSame() {
        let subnet = IPv6Subnet(local: [0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xFF])
        #expect(subnet.description == "fd12:3456:789a:bcde::/64")
        #expect(subnet == IPv6Subnet(local: [0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0x00]))
    }

    @Test func aTasksAddressesHaveTheSameNumber() throws {
        let network = try TaskNetwork(
            bridge: "b", subnet: #require(IPv4Subnet("10.1.0.0/16")), subnet6: IPv6Subnet("fd00:1::/64"))
        #expect(try network.ipv6(of: #require(IPv4Address("10.1.2.3")))?.description == "fd00:1::203")
        #expect(network.ipv6(of: network.subnet.gateway)?.description == "fd00:1::1")
        let plain = try TaskNetwork(bridge: "b", subnet: #require(IPv4Subnet("10.1.0.0/16")))
        #expect(plain.ipv6(of: plain.subnet.gateway) == nil)
    }
}
