public import Glibc

/// Unix sockets by path (unix(7)).
public enum UnixSocket {
    /// The longest path there can be, in bytes.
    public static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// A new socket, close-on-exec.
    ///
    /// - Parameter type: `SOCK_STREAM`, `SOCK_SEQPACKET` or `SOCK_DGRAM`.
    public static func make(_ type: __socket_type) throws(SystemError) -> OwnedFD {
        let flags = CInt(type.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        return OwnedFD(adopting: try retryingInterrupts("create socket") { socket(AF_UNIX, flags, 0) })
    }

    /// A stream to whoever listens at a path.
    public static func connect(_ path: String) throws(SystemError) -> OwnedFD {
        let socket = try make(SOCK_STREAM)
        try retryingInterrupts("connect to", path) { withAddress(path) { Glibc.connect(socket.number, $0, $1) } }
        return socket
    }

    /// Where a socket listens; nil for what isn't a Unix stream socket that listens at a path.
    public static func path(of number: CInt) -> String? {
        var listens: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0, listens != 0 else { return nil }
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
        }
        guard result == 0, address.sun_family == sa_family_t(AF_UNIX) else { return nil }
        // A path ends with a 0, or with the address.
        let path = withUnsafeBytes(of: address.sun_path) { $0.prefix { $0 != 0 } }
        return path.isEmpty ? nil : String(decoding: path, as: UTF8.self)
    }

    /// Calls with a path's address; -1 and `ENAMETOOLONG` for one that is too long.
    public static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count <= longestPath else {
            errno = ENAMETOOLONG
            return -1
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }
}
