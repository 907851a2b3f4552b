import Spec
import Testing

@testable import Networks

/// Ports in the tables of other agents, as nft(8) lists them.
@Suite struct ForeignPortTests {
    private let table = """
        table ip dish1 {
        	map ports {
        		type inet_proto . inet_service : ipv4_addr . inet_service
        		elements = { tcp . 8080 : 10.1.0.2 . 80, udp . 53 : 10.1.0.3 . 53 }
        	}
        	map address-ports {
        		elements = { 127.0.0.1 . tcp . 9090 : 10.1.0.2 . 80 }
        	}
        	chain jobs {
        		fib daddr type local tcp dport 7070 dnat to numgen inc mod 2 map { 0 : 10.1.0.2, 1 : 10.1.0.3 }:80
        		ip daddr 192.0.2.1 udp dport 6060 dnat to numgen inc mod 1 map { 0 : 10.1.0.2 }:80
        	}
        }
        """

    @Test(arguments: [
        "8080:1", "127.0.0.1:8080:1", "53:1/udp", "9090:1", "127.0.0.1:9090:1", "7070:1", "192.0.2.2:7070:1", "6060:1/udp",
        "192.0.2.1:6060:1/udp",
    ])
    func aPublishedPortIsFound(_ text: String) throws {
        #expect(try PortRules.publishes(PublishedPort(parsing: text), in: table, .ip))
    }

    @Test(arguments: [
        "80:1", "8080:1/udp", "53:1", "192.0.2.1:9090:1", "6060:1", "192.0.2.2:6060:1/udp", "808:1", "70:1", "1:80",
    ])
    func anotherIsFree(_ text: String) throws {
        #expect(try !PortRules.publishes(PublishedPort(parsing: text), in: table, .ip))
    }

    @Test func answersOfNetlinkAreReadWithinTheirLengths() {
        let message: [UInt8] = [24, 0, 0, 0, 3, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 2, 0x80, 1, 2, 3, 4]
        let answers = NetlinkAnswer.messages(message[...])
        #expect(answers.count == 1 && answers.first?.type == 0x103)
        #expect(NetlinkAnswer.attributes(answers[0].body)[2].map(Array.init) == [1, 2, 3, 4])
        // Cut off, and with lengths that lead past the end, or nowhere.
        for count in 0..<message.count { #expect(NetlinkAnswer.messages(message[..<count]).isEmpty) }
        for first: UInt8 in [0, 3, 9, 255] {
            #expect(NetlinkAnswer.attributes([first, 0, 2, 0, 1, 2, 3, 4][...]).isEmpty)
        }
        #expect(ConnectionTracking.entry([2, 0, 0, 0, 4, 0, 1, 0][...]) == nil)
        #expect(ConnectionTracking.entry([][...]) == nil)
    }
}
