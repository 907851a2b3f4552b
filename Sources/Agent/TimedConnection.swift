import Glibc
import Linux

/// A TCP connection all of which must be over by a deadline.
struct TimedConnection: ~Copyable {
    private let socket: OwnedFD
    private let deadline: ContinuousClock.Instant

    private init(_ socket: consuming OwnedFD, _ deadline: ContinuousClock.Instant) {
        self.socket = socket
        self.deadline = deadline
    }

    /// - Parameter address: IPv4, in host byte order.
    static func open(to address: UInt32, port: UInt16, deadline: ContinuousClock.Instant) throws -> TimedConnection {
        let number = try retryingInterrupts("create socket") {
            Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        }
        let connection = TimedConnection(OwnedFD(adopting: number), deadline)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.bigEndian
        let result = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        let code = errno
        if result == 0 { return connection }
        guard code == EINPROGRESS else { throw SystemError("connect to port", "\(port)", code: code) }
        try connection.wait(for: Int16(POLLOUT))
        var (failure, length): (CInt, socklen_t) = (0, socklen_t(MemoryLayout<CInt>.size))
        getsockopt(number, SOL_SOCKET, SO_ERROR, &failure, &length)
        if failure != 0 { throw SystemError("connect to port", "\(port)", code: failure) }
        return connection
    }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            try wait(for: Int16(POLLOUT))
            let count = rest.withUnsafeBytes { Glibc.send(socket.number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EAGAIN { throw SystemError("send the request") }
        }
    }

    func firstLine() throws -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1024)
        while !bytes.contains(UInt8(ascii: "\n")), bytes.count < 4096 {
            try wait(for: Int16(POLLIN))
            let count = recv(socket.number, &chunk, chunk.count, 0)
            if count > 0 { bytes += chunk[..<count] }
            if count == 0 { break }
            if count < 0, errno != EAGAIN { throw SystemError("read the answer") }
        }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    }

    private func wait(for events: Int16) throws {
        while true {
            let left = (deadline - .now).components
            guard left.seconds > 0 || left.seconds == 0 && left.attoseconds > 0 else {
                throw SystemError("get an answer", code: ETIMEDOUT)
            }
            var polled = pollfd(fd: socket.number, events: events, revents: 0)
            let milliseconds = left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000 + 1
            if poll(&polled, 1, CInt(clamping: milliseconds)) > 0 { return }
        }
    }
}
