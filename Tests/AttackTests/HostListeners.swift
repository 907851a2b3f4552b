import Fixtures
import Glibc
import Linux

/// Services of the host that no task may reach: an abstract Unix socket, a port of 127.0.0.1; and a UDP port of all addresses of IPv4 and
/// IPv6, where datagrams with a forged source would arrive.
final class HostListeners {
    let abstractName: String
    let servicePort: UInt16
    let datagramPort: UInt16
    private let abstract: OwnedFD
    private let service: OwnedFD
    private let datagrams: OwnedFD
    private let datagrams6: OwnedFD
    private var honest = (ipv4: 0, ipv6: 0)
    private var forged = 0

    init() throws {
        let text = "dish-attack-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let abstract = try Self.make(AF_UNIX, SOCK_STREAM)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0[1...].copyBytes(from: text.utf8) }
        let length = MemoryLayout<sa_family_t>.size + 1 + text.utf8.count
        try Self.bindSocket(abstract, &name, length)
        listen(abstract.number, 8)
        let service = try Self.make(AF_INET, SOCK_STREAM)
        servicePort = try Self.bindPort(service, address: 0x7F00_0001)
        listen(service.number, 8)
        let datagrams = try Self.make(AF_INET, SOCK_DGRAM)
        datagramPort = try Self.bindPort(datagrams, address: 0)
        let datagrams6 = try Self.make(AF_INET6, SOCK_DGRAM)
        var on: CInt = 1
        let number = datagrams6.number
        _ = try retryingInterrupts("keep to IPv6") {
            setsockopt(number, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &on, socklen_t(MemoryLayout<CInt>.size))
        }
        var name6 = sockaddr_in6()
        name6.sin6_family = sa_family_t(AF_INET6)
        name6.sin6_port = datagramPort.bigEndian
        try Self.bindSocket(datagrams6, &name6, MemoryLayout<sockaddr_in6>.size)
        abstractName = text
        self.abstract = abstract
        self.service = service
        self.datagrams = datagrams
        self.datagrams6 = datagrams6
    }

    private static func make(_ family: CInt, _ type: __socket_type) throws -> OwnedFD {
        OwnedFD(
            adopting: try retryingInterrupts("create socket") {
                socket(family, CInt(type.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
            })
    }

    private static func bindSocket<Name>(_ socket: borrowing OwnedFD, _ name: inout Name, _ length: Int) throws {
        let number = socket.number
        try withUnsafeMutablePointer(to: &name) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = try retryingInterrupts("bind") { bind(number, address, socklen_t(length)) }
            }
        }
    }

    private static func bindPort(_ socket: borrowing OwnedFD, address: UInt32) throws -> UInt16 {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = address.bigEndian
        try bindSocket(socket, &name, MemoryLayout<sockaddr_in>.size)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let number = socket.number
        return try withUnsafeMutablePointer(to: &name) { pointer in
            _ = try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                try retryingInterrupts("read the port") { getsockname(number, address, &length) }
            }
            return UInt16(bigEndian: pointer.pointee.sin_port)
        }
    }

    /// Whether somebody connected to one of the services.
    func wereReached() -> Bool { accept(abstract.number, nil, nil) >= 0 || accept(service.number, nil, nil) >= 0 }

    /// How many datagrams of tasks' own addresses have arrived, by family.
    func honestDatagrams() -> (ipv4: Int, ipv6: Int) {
        receive()
        return honest
    }

    /// How many datagrams with another's source have arrived.
    func forgedDatagrams() -> Int {
        receive()
        return forged
    }

    private func receive() {
        for (socket, isIPv6) in [(datagrams.number, false), (datagrams6.number, true)] {
            var bytes = [UInt8](repeating: 0, count: 16)
            while true {
                let count = recv(socket, &bytes, bytes.count, CInt(MSG_DONTWAIT))
                guard count >= 0 else { break }
                if !bytes[..<count].elementsEqual("honest".utf8) {
                    forged += 1
                } else if isIPv6 {
                    honest.ipv6 += 1
                } else {
                    honest.ipv4 += 1
                }
            }
        }
    }
}
