import CLinux
import Glibc
import Linux

/// Changes elements of nftables sets (linux/netfilter/nf_tables.h), without a program's start.
enum NetfilterTables {
    /// An element of a set of a table of the bridge family.
    struct Element: Sendable, Hashable {
        let table: String
        let set: String
        let key: [UInt8]
    }

    enum Change {
        case add, remove
    }

    /// Makes one change of all elements, or none. To add one that is there is no error.
    static func change(_ change: Change, _ elements: [Element]) throws(SystemError) {
        let kind = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        // NETLINK_NETFILTER.
        let number = try retryingInterrupts("open netfilter socket") { socket(AF_NETLINK, kind, 12) }
        defer { close(number) }
        let what = change == .add ? "add elements to nftables sets" : "remove elements from nftables sets"
        // NFNL_MSG_BATCH_BEGIN and NFNL_MSG_BATCH_END; NFT_MSG_NEWSETELEM and NFT_MSG_DELSETELEM of the subsystem 10.
        let type = 10 << 8 | (change == .add ? 12 : 14)
        var bytes = header(0x10, flags: 0, family: 0, resource: 10).encoded
        for element in elements {
            var message = header(type, flags: NLM_F_ACK | (change == .add ? NLM_F_CREATE : 0), family: 7, resource: 0)
            // NFTA_SET_ELEM_LIST_TABLE, _SET, _ELEMENTS; NFTA_LIST_ELEM; NFTA_SET_ELEM_KEY; NFTA_DATA_VALUE.
            message.attribute(1, text: element.table)
            message.attribute(2, text: element.set)
            message.nest(3 | nested) { list in
                list.nest(1 | nested) { one in one.nest(1 | nested) { $0.attribute(1, element.key) } }
            }
            bytes += message.encoded
        }
        bytes += header(0x11, flags: 0, family: 0, resource: 10).encoded
        try retryingInterrupts(what) { send(number, bytes, bytes.count, 0) }
        // The answers are there by now: one for each element, or what failed.
        var answers = 0
        var answer = [UInt8](repeating: 0, count: 8192)
        while true {
            let count = recv(number, &answer, answer.count, CInt(MSG_DONTWAIT))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            var start = 0
            while start + 20 <= count {
                let length = Int(answer[start]) | Int(answer[start + 1]) << 8 | Int(answer[start + 2]) << 16
                if answer[start + 4] == UInt8(NLMSG_ERROR) {
                    let code = answer[(start + 16)..<(start + 20)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                    if code != 0 { throw SystemError(what, code: -CInt(bitPattern: code)) }
                    answers += 1
                }
                guard length >= 16 else { break }
                start += (length + 3) & ~3
            }
        }
        if answers < elements.count { throw SystemError(what, code: EBADMSG) }
    }

    /// Tells whether a table has a chain with rules in it.
    ///
    /// - Parameter family: NFPROTO_IPV4 is 2, NFPROTO_IPV6 10.
    static func hasRules(_ family: UInt8, table: String, chain: String) throws(SystemError) -> Bool {
        let kind = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let socket = OwnedFD(adopting: try retryingInterrupts("open netfilter socket") { Glibc.socket(AF_NETLINK, kind, 12) })
        // NFT_MSG_GETCHAIN; NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME.
        var message = header(10 << 8 | 4, flags: 0, family: family, resource: 0)
        message.attribute(1, text: table)
        message.attribute(3, text: chain)
        let (bytes, number) = (message.encoded, socket.number)
        try retryingInterrupts("look for nftables chain", chain) { send(number, bytes, bytes.count, 0) }
        var answer = [UInt8](repeating: 0, count: 8192)
        let count = try retryingInterrupts("look for nftables chain", chain) { recv(number, &answer, answer.count, 0) }
        guard let first = NetlinkAnswer.messages(answer[..<count]).first else { return false }
        if first.type == UInt16(NLMSG_ERROR) {
            if first.error == ENOENT { return false }
            throw SystemError("look for nftables chain", chain, code: first.error)
        }
        // NFTA_CHAIN_USE counts them.
        return NetlinkAnswer.big(NetlinkAnswer.attributes(first.body.dropFirst(4))[6]) > 0
    }

    /// NLA_F_NESTED.
    private static let nested = 1 << 15

    /// With struct nfgenmsg: family, version, resource in network byte order.
    private static func header(_ type: Int, flags: CInt, family: UInt8, resource: UInt8) -> NetlinkMessage {
        var message = NetlinkMessage(type, only: flags | NLM_F_REQUEST)
        message.append([family, 0, 0, resource])
        return message
    }
}
