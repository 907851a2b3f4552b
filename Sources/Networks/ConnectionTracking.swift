import CLinux
import Glibc
import Linux
import Spec

/// The kernel's table of connections (conntrack), asked by netlink (linux/netfilter/nfnetlink_conntrack.h).
///
/// Rules of address translation are looked up for the first packet of a connection. To UDP a connection is whoever sends on from
/// one port: without this it would go to the old target of a published port for as long as it sends.
enum ConnectionTracking {
    /// One connection to a port, as its first packet asked for it and as answers come back.
    struct Entry: Sendable, Equatable {
        /// AF_INET or AF_INET6.
        var family: UInt8
        var transport: PublishedPort.TransportProtocol
        /// The address and port that its sender sends to, in network byte order and as a number.
        var destination: [UInt8]
        var destinationPort: UInt16
        /// The sender of answers: another address than the destination where that is translated.
        var target: [UInt8]
        var targetPort: UInt16
        /// True if an answer has been seen.
        var isAnswered: Bool
        /// The attributes that name it to the kernel, as the kernel gave them.
        fileprivate var key: [(kind: Int, value: [UInt8])] = []

        static func == (left: Entry, right: Entry) -> Bool {
            (left.family, left.transport, left.destination, left.destinationPort) == (
                right.family, right.transport, right.destination, right.destinationPort
            ) && (left.target, left.targetPort, left.isAnswered) == (right.target, right.targetPort, right.isAnswered)
        }
    }

    /// Removes connections to one port of any address of a family, so that the next packet asks for its target anew: of TCP only
    /// those without an answer.
    ///
    /// - Parameters:
    ///   - family: AF_INET or AF_INET6: with a filter the kernel answers for one at a time.
    ///   - isStale: whether one goes where it no longer should.
    /// - Returns: the number of those removed.
    @discardableResult
    static func remove(
        to port: UInt16, _ transport: PublishedPort.TransportProtocol, _ family: CInt, where isStale: (Entry) -> Bool
    ) throws(SystemError) -> Int {
        let deadline = ContinuousClock.now + timeLimit
        let table = try socket()
        let changes = try socket()
        var question = NetlinkMessage(type(1), only: NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH)
        question.append(header(family: UInt8(family)))
        // CTA_TUPLE_ORIG, CTA_TUPLE_PROTO, CTA_PROTO_NUM, CTA_PROTO_DST_PORT.
        question.nest(1 | nested) { tuple in
            tuple.nest(2 | nested) { proto in
                proto.attribute(1, [transport.number])
                proto.attribute(3, [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)])
            }
        }
        // CTA_FILTER, CTA_FILTER_ORIG_FLAGS: the protocol and the destination's port, for kernels from 5.8 on.
        question.nest(25 | nested) { filter in filter.attribute(1, number: 1 << 3 | 1 << 5) }
        // CTA_STATUS, CTA_STATUS_MASK: IPS_SEEN_REPLY is unset. A busy server has very many that are answered, and they stay.
        if transport == .tcp {
            question.attribute(3, [0, 0, 0, 0])
            question.attribute(26, [0, 0, 0, 2])
        }
        let bytes = question.encoded
        let number = table.number
        try retryingInterrupts("read the table of connections") { send(number, bytes, bytes.count, 0) }
        var removed = 0
        var buffer = [UInt8](repeating: 0, count: 65536)
        while ContinuousClock.now < deadline {
            let count = try retryingInterrupts("read the table of connections") { recv(number, &buffer, buffer.count, 0) }
            var (entries, isLast) = ([Entry](), false)
            for answer in NetlinkAnswer.messages(buffer[..<count]) {
                switch answer.type {
                case UInt16(NLMSG_DONE): isLast = true
                case UInt16(NLMSG_ERROR):
                    if answer.error != 0 { throw SystemError("read the table of connections", code: answer.error) }
                default: if let entry = entry(answer.body) { entries.append(entry) }
                }
            }
            // Older kernels pass over the filter.
            for entry in entries
            where entry.destinationPort == port && entry.transport == transport && !(transport == .tcp && entry.isAnswered)
                && isStale(entry)
            {
                if try remove(entry, by: changes.number) { removed += 1 }
            }
            if isLast { return removed }
        }
        // Senders that flood a port fill the table; what is left of theirs ends by its own time.
        return removed
    }

    /// A table can have a million entries.
    private static let timeLimit = Duration.seconds(2)

    /// Removes one; one that has gone meanwhile is no error.
    private static func remove(_ entry: Entry, by socket: CInt) throws(SystemError) -> Bool {
        var message = NetlinkMessage(type(2), flags: 0)
        message.append(header(family: entry.family))
        for (kind, value) in entry.key { message.attribute(kind, value) }
        let bytes = message.encoded
        try retryingInterrupts("remove a connection") { send(socket, bytes, bytes.count, 0) }
        var answer = [UInt8](repeating: 0, count: 8192)
        let count = try retryingInterrupts("remove a connection") { recv(socket, &answer, answer.count, 0) }
        guard let first = NetlinkAnswer.messages(answer[..<count]).first, first.type == UInt16(NLMSG_ERROR) else {
            throw SystemError("remove a connection", code: EBADMSG)
        }
        if first.error == ENOENT { return false }
        if first.error != 0 { throw SystemError("remove a connection", code: first.error) }
        return true
    }

    private static func socket() throws(SystemError) -> OwnedFD {
        let kind = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        // NETLINK_NETFILTER.
        return OwnedFD(adopting: try retryingInterrupts("open netfilter socket") { Glibc.socket(AF_NETLINK, kind, 12) })
    }

    /// IPCTNL_MSG_CT_GET is 1, IPCTNL_MSG_CT_DELETE 2, of the subsystem 1.
    private static func type(_ message: Int) -> Int { 1 << 8 | message }

    /// NLA_F_NESTED.
    private static let nested = 1 << 15

    /// struct nfgenmsg.
    private static func header(family: UInt8) -> [UInt8] { [family, 0, 0, 0] }

    /// The content of a message about a connection; nil for one of another protocol.
    static func entry(_ body: ArraySlice<UInt8>) -> Entry? {
        guard let family = body.first else { return nil }
        let all = NetlinkAnswer.attributes(body.dropFirst(4))
        guard let original = all[1], let reply = all[2], let asked = tuple(original), let answered = tuple(reply),
            let transport = asked.transport
        else { return nil }
        // IPS_SEEN_REPLY of CTA_STATUS, in network byte order.
        let isAnswered = all[3]?.last.map { $0 & 2 != 0 } ?? false
        // CTA_TUPLE_ORIG, CTA_ID, CTA_ZONE.
        let key = [1 | nested, 12, 18].compactMap { kind in
            all[kind & 0x3fff].map { (kind: kind, value: Array($0)) }
        }
        return Entry(
            family: family, transport: transport, destination: asked.destination, destinationPort: asked.destinationPort,
            target: answered.source, targetPort: answered.sourcePort, isAnswered: isAnswered, key: key)
    }

    private struct Tuple {
        var source: [UInt8] = []
        var destination: [UInt8] = []
        var sourcePort: UInt16 = 0
        var destinationPort: UInt16 = 0
        var transport: PublishedPort.TransportProtocol?
    }

    private static func tuple(_ bytes: ArraySlice<UInt8>) -> Tuple? {
        // CTA_TUPLE_IP, CTA_TUPLE_PROTO.
        let parts = NetlinkAnswer.attributes(bytes)
        guard let addresses = parts[1].map(NetlinkAnswer.attributes), let proto = parts[2].map(NetlinkAnswer.attributes) else {
            return nil
        }
        func port(_ bytes: ArraySlice<UInt8>?) -> UInt16 { UInt16(truncatingIfNeeded: NetlinkAnswer.big(bytes)) }
        // CTA_IP_V4_SRC and _DST, or CTA_IP_V6_SRC and _DST.
        guard let source = addresses[1] ?? addresses[3], let destination = addresses[2] ?? addresses[4] else { return nil }
        return Tuple(
            source: Array(source), destination: Array(destination), sourcePort: port(proto[2]), destinationPort: port(proto[3]),
            transport: proto[1]?.first.flatMap { number in [.tcp, .udp].first { $0.number == number } })
    }
}

extension PublishedPort.TransportProtocol {
    /// IPPROTO_TCP, IPPROTO_UDP.
    var number: UInt8 { self == .tcp ? 6 : 17 }
}
