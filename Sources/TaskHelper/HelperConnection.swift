import CLinux
import Glibc
public import Linux

/// A client's end of a helper's socket.
public final class HelperConnection: Sendable {
    private let socket: OwnedFD

    /// For poll(2); it stays this object's.
    public var descriptor: CInt { socket.number }

    /// - Parameter deadline: milliseconds to go on trying while the helper isn't there yet.
    public init(_ path: String, deadline: Int = 0) throws {
        socket = try PacketSocket.connect(path, deadline: deadline)
    }

    public func send(_ message: HelperMessage) throws {
        let packet = message.encoded()
        try retryingInterrupts("send to the task's helper") {
            Glibc.send(socket.number, packet, packet.count, CInt(MSG_NOSIGNAL))
        }
    }

    /// Sends a message if the helper takes it now.
    ///
    /// - Returns: whether it did.
    public func sendNow(_ message: HelperMessage) throws -> Bool {
        let packet = message.encoded()
        do {
            try retryingInterrupts("send to the task's helper") {
                Glibc.send(socket.number, packet, packet.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
            }
            return true
        } catch {
            if error.code == EAGAIN { return false }
            throw error
        }
    }

    /// What the helper at a socket says of its task now; nil when it hasn't started it, or doesn't answer in time.
    public static func state(at path: String, within milliseconds: CInt) -> RunningRecord? {
        guard let helper = try? HelperConnection(path), (try? helper.send(.watch)) != nil else { return nil }
        return helper.answer(within: milliseconds) { message in
            if case .state(let record) = message { return record }
            return nil
        }
    }

    /// The next message; nil when the helper is gone. Packets that are no messages are passed over.
    public func receive() throws -> HelperMessage? { try receive(flags: 0) }

    /// The answer that a part of the messages is, or nil when there is none in time, or the helper is gone.
    public func answer<Answer>(within milliseconds: CInt, _ isAnswer: (HelperMessage) -> Answer?) -> Answer? {
        func now() -> Int64 {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        }
        let end = now() + Int64(milliseconds)
        while true {
            let left = end - now()
            var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard left > 0, poll(&polled, 1, CInt(left)) >= 0 else { return nil }
            guard polled.revents != 0 else { continue }
            let arrived = receiveArrived()
            for message in arrived.messages { if let answer = isAnswer(message) { return answer } }
            if arrived.isOver { return nil }
        }
    }

    /// Waits for the helper's end, and passes over what it says until then.
    public func isGone(within milliseconds: CInt) -> Bool {
        _ = answer(within: milliseconds) { _ -> Bool? in nil }
        // Without an answer it is gone, or the time is over.
        return receiveArrived().isOver
    }

    /// The messages that have arrived, and whether the helper is gone. Doesn't wait.
    public func receiveArrived() -> (messages: [HelperMessage], isOver: Bool) {
        var messages: [HelperMessage] = []
        while true {
            do {
                guard let message = try receive(flags: CInt(MSG_DONTWAIT)) else { return (messages, true) }
                messages.append(message)
            } catch let error as SystemError {
                return (messages, error.code != EAGAIN)
            } catch {
                return (messages, true)
            }
        }
    }

    private func receive(flags: CInt) throws -> HelperMessage? {
        var buffer = [UInt8](repeating: 0, count: HelperMessage.capacity)
        while true {
            let count = try retryingInterrupts("read from the task's helper") {
                recv(socket.number, &buffer, buffer.count, flags)
            }
            if count == 0 { return nil }
            if let message = HelperMessage(Array(buffer[..<count])) { return message }
        }
    }
}

/// A path that is too long for a Unix socket (unix(7)).
public struct SocketPathError: Error, CustomStringConvertible, Equatable {
    public let path: String

    public var description: String {
        "the path '\(path)' has \(path.utf8.count) bytes, and a Unix socket's has \(UnixSocket.longestPath) at most; choose a shorter directory for sockets: dishd --run-dir"
    }
}

/// Unix sockets that keep packets apart (unix(7), `SOCK_SEQPACKET`).
public enum PacketSocket {
    /// - Throws: `SocketPathError`, where the kernel would only say that a file's name is too long.
    public static func check(_ path: String) throws(SocketPathError) {
        if path.utf8.count > UnixSocket.longestPath { throw SocketPathError(path: path) }
    }

    /// Listens at a path, for this user only, replacing what is there.
    public static func listen(_ path: String) throws -> OwnedFD {
        try check(path)
        let socket = try UnixSocket.make(SOCK_SEQPACKET)
        unlink(path)
        try retryingInterrupts("listen on", path) {
            UnixSocket.withAddress(path) { bind(socket.number, $0, $1) }
        }
        chmod(path, 0o600)
        try retryingInterrupts("listen on", path) { Glibc.listen(socket.number, 64) }
        return socket
    }

    /// Receives datagrams at a path, as sd_notify(3) sends them.
    public static func datagrams(_ path: String) throws -> OwnedFD {
        try check(path)
        let socket = try UnixSocket.make(SOCK_DGRAM)
        unlink(path)
        try retryingInterrupts("listen on", path) {
            UnixSocket.withAddress(path) { bind(socket.number, $0, $1) }
        }
        return socket
    }

    static func connect(_ path: String, deadline: Int) throws -> OwnedFD {
        try check(path)
        let socket = try UnixSocket.make(SOCK_SEQPACKET)
        var waited = 0
        while true {
            let result = UnixSocket.withAddress(path) { Glibc.connect(socket.number, $0, $1) }
            if result == 0 { return socket }
            let code = errno
            guard code == ENOENT || code == ECONNREFUSED || code == EINTR, waited < deadline * 1000 else {
                throw SystemError("reach the task's helper at", path, code: code)
            }
            usleep(250)
            waited += 250
        }
    }
}
