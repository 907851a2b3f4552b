import Networks
import Spec
import Testing

@Suite struct IPv4Tests {
    @Test(arguments: [("0.0.0.0", 0), ("10.209.0.1", 0x0AD1_0001), ("255.255.255.255", UInt32.max)])
    func anAddressIsRead(_ text: String, _ value: UInt32) {
        #expect(IPv4Address(text)?.value == value)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.-4", "1.2.3.+4", "1.2..4", " 1.2.3.4", "1.2.3.4 ", "a.b.c.d", "1.2.3.0004",
    ])
    func whatIsNoAddressIsRefused(_ text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test func anAddressPrintsAsItIsRead() {
        for _ in 0..<1000 {
            let address = IPv4Address(value: .random(in: 0 ... .max))
            #expect(IPv4Address(address.description) == address)
        }
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.0.0.1", "10.0.0.2", "10.255.255.254"), ("10.209.0.0/16", "10.209.0.1", "10.209.0.2", "10.209.255.254"),
        ("192.168.7.8/29", "192.168.7.9", "192.168.7.10", "192.168.7.14"),
        ("255.0.0.0/8", "255.0.0.1", "255.0.0.2", "255.255.255.254"),
    ])
    func aSubnetHasAGatewayAndAddressesForTasks(_ text: String, _ gateway: String, _ first: String, _ last: String) throws {
        let subnet = try #require(IPv4Subnet(text))
        #expect(subnet.description == text)
        #expect(subnet.gateway.description == gateway)
        #expect(IPv4Address(value: subnet.addresses.lowerBound).description == first)
        #expect(IPv4Address(value: subnet.addresses.upperBound).description == last)
    }

    @Test(arguments: [
        "10.0.0.0", "10.0.0.0/", "10.0.0.1/8", "10.209.1.0/16", "10.0.0.0/7", "10.0.0.0/30", "10.0.0.0/+8", "10.0.0.0/8/8",
        "x/16",
    ])
    func whatIsNoSubnetIsRefused(_ text: String) {
        #expect(IPv4Subnet(text) == nil)
    }

    @Test func everyAddressIsGivenOnceAndReusedLate() throws {
        let subnet = try #require(IPv4Subnet("10.0.0.0/29"))
        var used: Set<IPv4Address> = []
        var last: IPv4Address?
        var given: [String] = []
        while let address = subnet.free(except: used, after: last) {
            #expect(used.insert(address).inserted)
            last = address
            given.append(address.description)
        }
        #expect(given == (2...6).map { "10.0.0.\($0)" })
        // With two free, the one that was freed longer ago comes first when the last was before it.
        used = []
        #expect(subnet.free(except: used, after: IPv4Address("10.0.0.4"))?.description == "10.0.0.5")
        #expect(subnet.free(except: used, after: IPv4Address("10.0.0.6"))?.description == "10.0.0.2")
        #expect(subnet.free(except: used, after: IPv4Address("172.16.0.1"))?.description == "10.0.0.2")
    }
}
