import Glibc
import TaskHelper

/// A client of the helper's socket, and what waits to be sent to it.
struct Client {
    let socket: CInt
    var isAttached = false
    var isWatching = false
    var isGone = false
    /// Whether it has sent input: from then on it is read only while there is room for more.
    var feeds = false
    /// Whether it takes output while its input waits. An older client doesn't.
    var isPatient = false
    private var queue: [[UInt8]] = []
    private var queued = 0

    init(socket: CInt) {
        self.socket = socket
    }

    var hasQueue: Bool { !queue.isEmpty }

    /// Whether so much waits that the program's output must wait too.
    var isFarBehind: Bool { (queued > 128 * 1024 || queue.count > Self.packetLimit) && !isGone }

    /// Each packet that goes moves those behind it.
    private static let packetLimit = 1024

    mutating func send(_ message: HelperMessage) {
        guard !isGone else { return }
        let packet = message.encoded()
        queue.append(packet)
        queued += packet.count
        flush()
    }

    /// Sends what the socket takes.
    mutating func flush() {
        while !isGone, let packet = queue.first {
            let sent = Glibc.send(socket, packet, packet.count, CInt(MSG_NOSIGNAL))
            if sent < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { isGone = true }
                return
            }
            queue.removeFirst()
            queued -= packet.count
        }
    }

    /// The next message that has arrived; nil when there is none, or the client is gone.
    mutating func receive() -> HelperMessage? {
        var buffer = [UInt8](repeating: 0, count: HelperMessage.capacity)
        while !isGone {
            let count = recv(socket, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return nil }
            guard count > 0, let message = HelperMessage(Array(buffer[..<count])) else {
                // It hung up, or doesn't speak the protocol.
                isGone = true
                return nil
            }
            return message
        }
        return nil
    }
}
