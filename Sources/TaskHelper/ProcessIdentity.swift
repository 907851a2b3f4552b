import CLinux
public import Glibc
import Linux

/// A process that can't be mistaken for a later one with its number: the number and when it started.
public struct ProcessIdentity: Sendable, Equatable, CustomStringConvertible {
    public let pid: pid_t
    /// Clock ticks since the host's start: field 22 of proc_pid_stat(5).
    public let start: UInt64

    /// The process that has this number now; nil when there is none.
    public init?(running pid: pid_t) {
        guard let (_, start) = Self.status(of: pid) else { return nil }
        self.pid = pid
        self.start = start
    }

    private static func status(of pid: pid_t) -> (state: UInt8, start: UInt64)? {
        guard let bytes = try? Files.read("/proc/\(pid)/stat"), let close = bytes.lastIndex(of: UInt8(ascii: ")")) else {
            return nil
        }
        // The name, in parentheses, is field 2 and may contain anything.
        let fields = bytes[(close + 1)...].split(separator: UInt8(ascii: " "), maxSplits: 20)
        guard fields.count > 19, let start = UInt64(String(decoding: fields[19], as: UTF8.self)) else { return nil }
        return (fields[0].first ?? 0, start)
    }

    /// From `pid:start`.
    public init?(_ text: String) {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let pid = pid_t(parts[0]), pid > 0, let start = UInt64(parts[1]) else { return nil }
        self.pid = pid
        self.start = start
    }

    /// Whether it has not ended: one that waits for its parent to hear of its end (`Z`) has.
    public var isRunning: Bool {
        guard let (state, start) = Self.status(of: pid) else { return false }
        return start == self.start && state != UInt8(ascii: "Z") && state != UInt8(ascii: "X")
    }

    /// Sends it a signal, and never to a later process with its number; does nothing when it is gone.
    public func send(_ signal: CInt) {
        // Once the descriptor is open the number can't change hands behind it.
        guard let process = try? OwnedFD.ofProcess(pid), isRunning else { return }
        _ = dish_pidfd_send_signal(process.number, signal)
    }

    /// Whether it handles a signal, or waits for it by signalfd(2), for which it blocks it: the masks of proc_pid_status(5). Until then
    /// the first process of a PID namespace loses it.
    public func expects(_ signal: CInt) -> Bool {
        guard let text = try? Files.readText("/proc/\(pid)/status"), isRunning else { return false }
        let masks = text.split(separator: "\n").filter { $0.hasPrefix("SigBlk:") || $0.hasPrefix("SigCgt:") }
            .compactMap { UInt64($0.dropFirst(7).drop { $0.isWhitespace }, radix: 16) }
        return masks.contains { $0 >> UInt64(signal - 1) & 1 == 1 }
    }

    public var description: String { "\(pid):\(start)" }

    /// Differs at each start of the host.
    public static func bootID() throws -> String { try boot.get() }

    private static let boot = Result {
        String(try Files.readText("/proc/sys/kernel/random/boot_id").prefix { !$0.isWhitespace })
    }
}
