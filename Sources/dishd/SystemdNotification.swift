import Glibc
import Linux

/// Tells systemd something, when it started this program and asked to be told: sd_notify(3).
///
/// The message comes from this process itself, so the unit needs no other's to be listened to.
func notifySystemd(_ text: String) {
    guard let path = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }), path.hasPrefix("/"),
        let socket = try? UnixSocket.make(SOCK_DGRAM)
    else { return }
    let (number, bytes) = (socket.number, Array(text.utf8))
    _ = UnixSocket.withAddress(path) { address, length in
        CInt(sendto(number, bytes, bytes.count, CInt(MSG_NOSIGNAL), address, length))
    }
}

/// The watchdog of systemd.service(5), `WatchdogSec=`: without a sign of life in time it kills the agent and starts another, which
/// finds the tasks as they are.
enum Watchdog {
    /// How often a sign is due: twice in the time that is given; nil when nobody waits for one.
    static var interval: Duration? {
        guard let text = getenv("WATCHDOG_USEC").map({ String(cString: $0) }), let time = Int64(text), time > 0,
            getenv("WATCHDOG_PID").flatMap({ pid_t(String(cString: $0)) }) ?? getpid() == getpid()
        else { return nil }
        return .microseconds(time / 2)
    }

    /// - Parameter isWell: comes back only when the agent can still do its work.
    static func run(_ isWell: @Sendable () async -> Void) async throws {
        guard let interval else { return try await Task.sleep(for: .seconds(86400 * 365)) }
        while true {
            await isWell()
            notifySystemd("WATCHDOG=1")
            try await Task.sleep(for: interval)
        }
    }
}

/// The socket that systemd listens on for the agent: sd_listen_fds(3).
///
/// - Parameter path: where it must be.
/// - Returns: nil where systemd gave none.
func socketFromSystemd(at path: String) throws -> CInt? {
    func number(_ name: String) -> Int32? { getenv(name).flatMap { Int32(String(cString: $0)) } }
    guard number("LISTEN_PID") == getpid(), let count = number("LISTEN_FDS"), count > 0 else { return nil }
    let descriptor: CInt = 3
    guard count == 1, let listensAt = UnixSocket.path(of: descriptor) else {
        throw StartError("dishd.socket must have one socket, with ListenStream=\(path)")
    }
    guard listensAt == path else {
        throw StartError("dishd.socket listens at '\(listensAt)', and this agent's socket is '\(path)': give both the same")
    }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return descriptor
}
