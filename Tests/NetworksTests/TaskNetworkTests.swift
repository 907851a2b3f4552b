import Glibc
import Networks
import Spec
import Testing

@Suite struct TaskNetworkTests {
    private let subnet = IPv4Subnet("10.1.0.0/16")!

    @Test(arguments: ["dish0", "a", "a-b", "123456789012345"]) func aBridgeHasAShortPlainName(_ name: String) throws {
        #expect(try TaskNetwork(bridge: name, subnet: subnet).bridge == name)
    }

    /// It becomes part of an nftables script.
    @Test(arguments: ["", "1234567890123456", "Dish0", "a b", "a;b", "a\nflush ruleset", "ä"])
    func anotherNameIsRefused(_ name: String) {
        #expect(throws: NetworkError.self) { try TaskNetwork(bridge: name, subnet: subnet) }
    }

    @Test func aPortThatSomethingListensOnIsNotFree() throws {
        let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &name) { name in
            name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        #expect(bound)
        let number = UInt16(bigEndian: name.sin_port)
        for text in ["\(number):80", "127.0.0.1:\(number):80"] {
            let error = #expect(throws: NetworkError.self) { try TaskNetwork.requireFree(PublishedPort(parsing: text)) }
            #expect(error?.code == .conflict)
        }
        try TaskNetwork.requireFree(PublishedPort(parsing: "127.0.0.2:\(number):80"))
        try TaskNetwork.requireFree(PublishedPort(parsing: "\(number):80/udp"))
        let error = #expect(throws: NetworkError.self) {
            try TaskNetwork.requireFree(PublishedPort(parsing: "192.0.2.1:\(number):80"))
        }
        #expect(error?.code == .invalid)
    }
}
