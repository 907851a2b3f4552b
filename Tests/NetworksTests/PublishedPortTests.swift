import Networks
import Spec
import Testing

@Suite struct PublishedPortTests {
    @Test(arguments: [
        ("8080:80", "", 8080, 80, "tcp", "8080:80"), ("127.0.0.1:8080:80", "127.0.0.1:", 8080, 80, "tcp", "127.0.0.1:8080:80"),
        ("53:53/udp", "", 53, 53, "udp", "53:53/udp"), ("0.0.0.0:1:65535/tcp", "", 1, 65535, "tcp", "1:65535"),
        ("[::]:8080:80", "[::]:", 8080, 80, "tcp", "[::]:8080:80"),
        ("[0:0::1]:8:80/udp", "[::1]:", 8, 80, "udp", "[::1]:8:80/udp"),
        ("[FD00::A]:8080:80", "[fd00::a]:", 8080, 80, "tcp", "[fd00::a]:8080:80"),
    ])
    func aPortIsRead(
        _ text: String, _ address: String, _ host: UInt16, _ task: UInt16, _ transport: String, _ printed: String
    ) throws {
        let port = try PublishedPort(parsing: text)
        #expect(port.host.description == address)
        #expect(port.hostPort == host)
        #expect(port.taskPort == task)
        #expect(port.transport.rawValue == transport)
        #expect(port.description == printed)
        #expect(try PublishedPort(parsing: port.description) == port)
    }

    @Test(arguments: [
        ("80", "it needs a port of the host and one of the task"), ("", "it needs a port of the host and one of the task"),
        ("1:2:3:4", "it needs a port of the host and one of the task"), ("a:80", "'a' is not a port from 1 to 65535"),
        ("0:80", "'0' is not a port from 1 to 65535"), ("80:65536", "'65536' is not a port from 1 to 65535"),
        ("80:+1", "'+1' is not a port from 1 to 65535"), ("80:", "'' is not a port from 1 to 65535"),
        ("::1:80:80", "it needs a port of the host and one of the task"),
        ("host:80:80", "'host' is not an IPv4 address, or an IPv6 address in brackets"),
        ("[::g]:80:80", "'[::g]' is not an IPv4 address, or an IPv6 address in brackets"),
        ("[127.0.0.1]:80:80", "'[127.0.0.1]' is not an IPv4 address, or an IPv6 address in brackets"),
        ("[::1]80:80", "after the address comes a colon"), ("[::1]:80", "it needs a port of the host and one of the task"),
        ("[::1]:1:80:80", "it needs a port of the host and one of the task"),
        ("[::1:80:80", "it needs a port of the host and one of the task"),
        ("80:80/sctp", "'sctp' is not tcp or udp"),
        ("80:80/", "'' is not tcp or udp"), ("80:80/tcp/udp", "there is more than one '/'"),
    ])
    func whatIsNoPortIsRefusedWithTheReason(_ text: String, _ reason: String) {
        let error = #expect(throws: FieldFault.self) { try PublishedPort(parsing: text) }
        #expect(
            error?.reason
                == "'\(text)': \(reason); write HOST:TASK, like 8080:80, 127.0.0.1:8080:80, [::1]:8080:80 or 53:53/udp")
    }

    @Test(arguments: [
        ("80:1", "80:2", true), ("80:1", "80:1", true), ("80:1", "81:1", false), ("80:1", "80:1/udp", false),
        ("127.0.0.1:80:1", "80:1", true), ("127.0.0.1:80:1", "127.0.0.1:80:2", true), ("127.0.0.1:80:1", "127.0.0.2:80:1", false),
        ("0.0.0.0:80:1", "127.0.0.2:80:1", true), ("[::]:80:1", "80:1", true), ("[::]:80:1", "[::1]:80:1", true),
        ("[::1]:80:1", "[fd00::1]:80:1", false), ("[::]:80:1", "127.0.0.1:80:1", false), ("[::1]:80:1", "80:2", true),
    ])
    func portsConflictWhenTheyMeanTheSamePortOfTheHost(_ one: String, _ other: String, _ expected: Bool) throws {
        let (one, other) = (try PublishedPort(parsing: one), try PublishedPort(parsing: other))
        #expect(one.conflicts(with: other) == expected)
        #expect(other.conflicts(with: one) == expected)
    }
}
