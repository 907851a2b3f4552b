import CLinux
import Glibc
import Linux
import Spec

/// A conversation with the kernel about links, addresses and routes (rtnetlink(7)), in the network namespace of the
/// thread that opened it.
struct Netlink: ~Copyable {
    private let socket: OwnedFD

    init() throws(SystemError) {
        let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let number = try retryingInterrupts("open netlink socket") { Glibc.socket(AF_NETLINK, type, NETLINK_ROUTE) }
        socket = OwnedFD(adopting: number)
    }

    /// Sends one request and waits for the kernel's answer.
    ///
    /// - Parameter subject: what the request is about, for the error.
    func request(_ message: NetlinkMessage, _ action: String, _ subject: String) throws(SystemError) {
        let bytes = message.encoded
        let number = socket.number
        try retryingInterrupts(action, subject) { send(number, bytes, bytes.count, 0) }
        var answer = [UInt8](repeating: 0, count: 8192)
        let count = try retryingInterrupts(action, subject) { recv(number, &answer, answer.count, 0) }
        // struct nlmsghdr, then of struct nlmsgerr the negative error number.
        guard count >= 20, answer[4] == UInt8(NLMSG_ERROR) else { throw SystemError(action, subject, code: EBADMSG) }
        let code = answer[16..<20].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let error = -CInt(bitPattern: code)
        if error != 0 { throw SystemError(action, subject, code: error) }
    }

    /// Makes a bridge, or leaves the one there is, and sets it up.
    ///
    /// - Parameter hardware: its address, which else would change with its ports.
    /// - Returns: whether there was none.
    @discardableResult
    func makeBridge(_ name: String, hardware: [UInt8]) throws(SystemError) -> Bool {
        var message = NetlinkMessage(RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL)
        message.linkHeader(index: 0, isUp: true)
        message.attribute(IFLA_IFNAME, text: name)
        message.attribute(IFLA_ADDRESS, hardware)
        message.bridgeInfo { _ in }
        let isNew = try adds(message, "create bridge", name)
        if !isNew { try setUp(index: if_nametoindex(name), name) }
        // Frames to 01:80:c2:00:00:0X are the bridge's own: it learns their senders, and passes them to the host past the hooks at
        // which others are filtered. Those that may be forwarded (linux/if_bridge.h) come to these hooks.
        try set(name) { $0.attribute(Int(IFLA_BR_GROUP_FWD_MASK), [0xf8, 0xff]) }
        // struct br_boolopt_multi: values and their mask, of BR_BOOLOPT_NO_LL_LEARN.
        try set(name) { $0.attribute(Int(IFLA_BR_MULTI_BOOLOPT), [1, 0, 0, 0, 1, 0, 0, 0]) }
        return isNew
    }

    /// Sends a request that adds something.
    ///
    /// - Returns: false when it is there already.
    private func adds(_ message: NetlinkMessage, _ action: String, _ subject: String) throws(SystemError) -> Bool {
        do {
            try request(message, action, subject)
            return true
        } catch {
            if error.code != EEXIST { throw error }
            return false
        }
    }

    /// Makes a link a port of a bridge.
    func join(_ link: String, bridge: CUnsignedInt) throws(SystemError) {
        var message = NetlinkMessage(RTM_NEWLINK, flags: 0)
        message.linkHeader(index: if_nametoindex(link), isUp: true)
        message.attribute(IFLA_MASTER, number: bridge)
        try request(message, "join to the bridge", link)
    }

    /// Sets a bridge's attribute. One that the kernel doesn't know, since it is older, is no error.
    private func set(_ bridge: String, _ build: (inout NetlinkMessage) -> Void) throws(SystemError) {
        var message = NetlinkMessage(RTM_NEWLINK, flags: 0)
        message.linkHeader(index: if_nametoindex(bridge), isUp: true)
        message.bridgeInfo(build)
        do {
            try request(message, "set up bridge", bridge)
        } catch {
            guard error.code == EOPNOTSUPP || error.code == EINVAL else { throw error }
        }
    }

    /// Properties of a link, as the kernel has them.
    struct Link {
        var hardware: [UInt8] = []
        /// `bridge`, `veth`; nil for a device.
        var kind: String?
        /// The index of the bridge that it is a port of; 0 for none.
        var bridge: CUnsignedInt = 0
    }

    /// A link of this thread's network namespace, which /sys needn't show; nil for one that isn't there.
    func link(_ name: String) throws(SystemError) -> Link? {
        var message = NetlinkMessage(RTM_GETLINK, only: NLM_F_REQUEST)
        message.linkHeader(index: 0, isUp: false)
        message.attribute(IFLA_IFNAME, text: name)
        let (bytes, number) = (message.encoded, socket.number)
        try retryingInterrupts("look for network link", name) { send(number, bytes, bytes.count, 0) }
        var answer = [UInt8](repeating: 0, count: 32768)
        let count = try retryingInterrupts("look for network link", name) { recv(number, &answer, answer.count, 0) }
        guard let first = NetlinkAnswer.messages(answer[..<count]).first else {
            throw SystemError("look for network link", name, code: EBADMSG)
        }
        if first.type == UInt16(NLMSG_ERROR) {
            if first.error == ENODEV { return nil }
            throw SystemError("look for network link", name, code: first.error)
        }
        // After struct ifinfomsg.
        let all = NetlinkAnswer.attributes(first.body.dropFirst(16))
        var link = Link(hardware: all[IFLA_ADDRESS].map(Array.init) ?? [])
        link.kind = all[IFLA_LINKINFO].map(NetlinkAnswer.attributes)?[IFLA_INFO_KIND].map { kind in
            String(decoding: kind.prefix { $0 != 0 }, as: UTF8.self)
        }
        link.bridge = all[IFLA_MASTER].map { CUnsignedInt(NetlinkAnswer.little($0)) } ?? 0
        return link
    }

    /// Makes a pair of virtual Ethernet links: one on a bridge here, the other in another network namespace.
    func makePair(_ port: PortGuard.Port, bridge: CUnsignedInt, peer: String, peerNamespace: CInt) throws(SystemError) {
        var message = NetlinkMessage(RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL)
        message.linkHeader(index: 0, isUp: true)
        message.attribute(IFLA_IFNAME, text: port.link)
        message.attribute(IFLA_ADDRESS, port.hostHardware)
        message.attribute(IFLA_MASTER, number: bridge)
        message.nest(IFLA_LINKINFO) { info in
            info.attribute(IFLA_INFO_KIND, text: "veth")
            info.nest(IFLA_INFO_DATA) { data in
                data.nest(Int(VETH_INFO_PEER)) { link in
                    // Up only once it has its other end.
                    link.linkHeader(index: 0, isUp: false)
                    link.attribute(IFLA_IFNAME, text: peer)
                    link.attribute(IFLA_ADDRESS, port.hardware)
                    link.attribute(IFLA_NET_NS_FD, number: UInt32(peerNamespace))
                }
            }
        }
        try request(message, "create network link", port.link)
    }

    func setUp(index: CUnsignedInt, _ name: String) throws(SystemError) {
        var message = NetlinkMessage(RTM_NEWLINK, flags: 0)
        message.linkHeader(index: index, isUp: true)
        try request(message, "set up network link", name)
    }

    /// Deletes a link; one that is gone is no error.
    func deleteLink(_ name: String) throws(SystemError) {
        let index = if_nametoindex(name)
        guard index != 0 else { return }
        var message = NetlinkMessage(RTM_DELLINK, flags: 0)
        message.linkHeader(index: index, isUp: false)
        do {
            try request(message, "delete network link", name)
        } catch {
            if error.code != ENODEV { throw error }
        }
    }

    /// Gives a link an address; one it has already is no error.
    ///
    /// - Returns: whether it hadn't.
    @discardableResult
    func addAddress(_ address: IPv4Address, prefix: UInt8, index: CUnsignedInt, _ name: String) throws(SystemError) -> Bool {
        try addAddress(AF_INET, address.bytes, "\(address)", prefix, index, name)
    }

    @discardableResult
    func addAddress(_ address: IPv6Address, prefix: UInt8, index: CUnsignedInt, _ name: String) throws(SystemError) -> Bool {
        try addAddress(AF_INET6, address.bytes, "\(address)", prefix, index, name)
    }

    private func addAddress(
        _ family: CInt, _ bytes: [UInt8], _ text: String, _ prefix: UInt8, _ index: CUnsignedInt, _ name: String
    ) throws(SystemError) -> Bool {
        var message = NetlinkMessage(RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL)
        // struct ifaddrmsg: family, prefix length, flags, scope, index. Nobody else has the address: it isn't asked for first.
        message.append([UInt8(family), prefix, family == AF_INET6 ? UInt8(IFA_F_NODAD) : 0, 0])
        message.append(number: index)
        message.attribute(IFA_LOCAL, bytes)
        message.attribute(IFA_ADDRESS, bytes)
        return try adds(message, "add address \(text) to", name)
    }

    func addDefaultRoute(via gateway: IPv4Address) throws(SystemError) {
        try addRoute(AF_INET, UInt8(RT_TABLE_MAIN.rawValue), UInt8(RTN_UNICAST), via: gateway.bytes, gateway.description)
    }

    func addDefaultRoute(via gateway: IPv6Address) throws(SystemError) {
        try addRoute(AF_INET6, UInt8(RT_TABLE_MAIN.rawValue), UInt8(RTN_UNICAST), via: gateway.bytes, gateway.description)
    }

    private func addRoute(
        _ family: CInt, _ table: UInt8, _ type: UInt8, via gateway: [UInt8], _ text: String
    ) throws(SystemError) {
        var message = NetlinkMessage(RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL)
        // struct rtmsg: family, destination and source lengths, tos, table, protocol, scope, type, flags.
        message.append([UInt8(family), 0, 0, 0, table, UInt8(RTPROT_STATIC), 0, type])
        message.append(number: 0)
        message.attribute(Int(RTA_GATEWAY.rawValue), gateway)
        try request(message, "add route via", text)
    }

    /// Has the host take answers to ::1 that come back over a link, after address translation. What claims to be from or for ::1 on
    /// a link is dropped by the kernel before that. It goes with the link.
    ///
    /// - Returns: whether it didn't yet.
    @discardableResult
    func acceptLoopback(index: CUnsignedInt, _ name: String) throws(SystemError) -> Bool {
        var message = NetlinkMessage(RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL)
        message.append([
            UInt8(AF_INET6), 128, 0, 0, UInt8(RT_TABLE_LOCAL.rawValue), UInt8(RTPROT_STATIC), 0, UInt8(RTN_LOCAL),
        ])
        message.append(number: 0)
        message.attribute(Int(RTA_DST.rawValue), IPv6Address.loopback.bytes)
        message.attribute(Int(RTA_OIF.rawValue), number: index)
        // After the route over the loopback interface, which is what programs get. Each bridge has a priority of its own: the kernel
        // takes two routes of one priority for the same.
        message.attribute(Int(RTA_PRIORITY.rawValue), number: 2048 &+ index)
        return try adds(message, "add local route of ::1 over", name)
    }
}

/// One rtnetlink request: struct nlmsghdr, a header of its own, attributes, each padded to four bytes.
struct NetlinkMessage {
    private let type: UInt16
    private let flags: UInt16
    private var body: [UInt8] = []

    init(_ type: Int, flags: CInt) {
        self.init(type, only: flags | NLM_F_REQUEST | NLM_F_ACK)
    }

    init(_ type: Int, only flags: CInt) {
        self.type = UInt16(type)
        self.flags = UInt16(flags)
    }

    /// The whole message, its length first.
    var encoded: [UInt8] {
        Self.little(UInt32(body.count + 16)) + Self.little(type) + Self.little(flags) + Self.little(UInt32(1))
            + Self.little(UInt32(0)) + body
    }

    mutating func append(_ bytes: [UInt8]) { body += bytes }

    mutating func append(number: UInt32) { body += Self.little(number) }

    /// struct ifinfomsg.
    mutating func linkHeader(index: CUnsignedInt, isUp: Bool) {
        let up = UInt32(IFF_UP)
        body += [0, 0, 0, 0] + Self.little(index) + Self.little(isUp ? up : 0) + Self.little(isUp ? up : 0)
    }

    mutating func attribute(_ kind: Int, _ value: [UInt8]) {
        body += Self.little(UInt16(value.count + 4)) + Self.little(UInt16(kind)) + value
        while body.count % 4 != 0 { body.append(0) }
    }

    mutating func attribute(_ kind: Int, text: String) { attribute(kind, Array(text.utf8) + [0]) }

    mutating func attribute(_ kind: Int, number: UInt32) { attribute(kind, Self.little(number)) }

    /// IFLA_LINKINFO of a bridge.
    mutating func bridgeInfo(_ build: (inout NetlinkMessage) -> Void) {
        nest(IFLA_LINKINFO) { info in
            info.attribute(IFLA_INFO_KIND, text: "bridge")
            info.nest(IFLA_INFO_DATA, build)
        }
    }

    /// An attribute made of attributes.
    mutating func nest(_ kind: Int, _ build: (inout NetlinkMessage) -> Void) {
        var inner = NetlinkMessage(0, flags: 0)
        build(&inner)
        attribute(kind, inner.body)
    }

    private static func little(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}
