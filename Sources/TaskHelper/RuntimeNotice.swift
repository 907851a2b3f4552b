public import Glibc

/// A notice of sd_notify(3) about a container: what its runtime tells its helper. Whoever can reach the socket can send any bytes.
public struct RuntimeNotice: Sendable, Equatable {
    /// The container's first process; never one that is everybody's.
    public var leader: pid_t?
    /// Whether its init is ready.
    public var isReady = false

    /// What is no such line is passed over; of several leaders the last counts.
    public init(_ datagram: ArraySlice<UInt8>) {
        for line in datagram.split(separator: UInt8(ascii: "\n")).map({ String(decoding: $0, as: UTF8.self) }) {
            if line.utf8.starts(with: "X_NSPAWN_LEADER_PID=".utf8) {
                guard let pid = pid_t(line.dropFirst("X_NSPAWN_LEADER_PID=".count)), pid > 1 else { continue }
                leader = pid
            }
            if line == "READY=1" { isReady = true }
        }
    }
}
