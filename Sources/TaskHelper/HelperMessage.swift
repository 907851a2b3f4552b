public import Cgroups

/// A message between a task's helper and its clients: one packet of its `SOCK_SEQPACKET` socket
/// (docs/architecture.md, "A task and its helper").
public enum HelperMessage: Sendable, Equatable {
    // To the helper.
    /// Everything that the container needs is there: start it.
    case start
    /// Answer with the state, now and at each change.
    case watch
    /// Send output, from its start if this is the first client, then the exit.
    case attach
    /// Standard input; empty: its end. While the program takes none, the helper doesn't read a client that has sent any: what must
    /// arrive at once goes over another connection.
    case input([UInt8])
    /// The size of the client's terminal, in characters.
    case windowSize(rows: UInt16, columns: UInt16)
    /// Send a signal to the program in the container. The null signal, 0, sends none: by it a client says that it takes
    /// output while its input waits. To a helper that doesn't know this it means nothing.
    case signal(UInt8)
    /// End gracefully; kill after so many seconds.
    case stop(seconds: UInt32)
    /// Set all limits to these, and answer.
    case limits(CgroupLimits)

    // From the helper.
    case state(RunningRecord)
    case output([UInt8])
    case errors([UInt8])
    case exited(ExitRecord)
    /// The answer to `limits`: why they could not be set; empty when they are.
    case limitsSet(refusal: String)

    /// The largest packet.
    public static let capacity = 32 * 1024 + 1

    public func encoded() -> [UInt8] {
        switch self {
        case .start: [UInt8(ascii: "g")]
        case .watch: [UInt8(ascii: "?")]
        case .attach: [UInt8(ascii: "a")]
        case .input(let bytes): [UInt8(ascii: "i")] + bytes
        case .windowSize(let rows, let columns):
            [UInt8(ascii: "w"), UInt8(rows & 255), UInt8(rows >> 8), UInt8(columns & 255), UInt8(columns >> 8)]
        case .signal(let number): [UInt8(ascii: "k"), number]
        case .stop(let seconds): [UInt8(ascii: "s")] + (0..<4).map { UInt8(truncatingIfNeeded: seconds >> ($0 * 8)) }
        case .limits(let limits):
            [UInt8(ascii: "l")] + limits.settings.flatMap { Array("\($0.name)=\($0.value)\n".utf8) }
        case .limitsSet(let refusal): [UInt8(ascii: "L")] + refusal.utf8.prefix(Self.capacity - 1)
        case .state(let record): [UInt8(ascii: "S")] + record.text.utf8
        case .output(let bytes): [UInt8(ascii: "O")] + bytes
        case .errors(let bytes): [UInt8(ascii: "E")] + bytes
        case .exited(let record): [UInt8(ascii: "X")] + record.text.utf8
        }
    }

    /// Nil for a packet that is none of these.
    public init?(_ packet: [UInt8]) {
        guard let kind = packet.first, packet.count <= Self.capacity else { return nil }
        let payload = Array(packet.dropFirst())
        switch (kind, payload.count) {
        case (UInt8(ascii: "g"), 0): self = .start
        case (UInt8(ascii: "?"), 0): self = .watch
        case (UInt8(ascii: "a"), 0): self = .attach
        case (UInt8(ascii: "i"), _): self = .input(payload)
        case (UInt8(ascii: "w"), 4):
            self = .windowSize(
                rows: UInt16(payload[0]) | UInt16(payload[1]) << 8, columns: UInt16(payload[2]) | UInt16(payload[3]) << 8)
        case (UInt8(ascii: "k"), 1): self = .signal(payload[0])
        case (UInt8(ascii: "s"), 4):
            self = .stop(seconds: payload.enumerated().reduce(0) { $0 | UInt32($1.element) << (UInt32($1.offset) * 8) })
        case (UInt8(ascii: "l"), _):
            guard let limits = Self.limits(payload) else { return nil }
            self = .limits(limits)
        case (UInt8(ascii: "L"), _): self = .limitsSet(refusal: String(decoding: payload, as: UTF8.self))
        case (UInt8(ascii: "S"), _):
            guard let record = RunningRecord(String(decoding: payload, as: UTF8.self)) else { return nil }
            self = .state(record)
        case (UInt8(ascii: "O"), _): self = .output(payload)
        case (UInt8(ascii: "E"), _): self = .errors(payload)
        case (UInt8(ascii: "X"), _):
            guard let record = ExitRecord(String(decoding: payload, as: UTF8.self)) else { return nil }
            self = .exited(record)
        default: return nil
        }
    }

    /// Lines of `NAME=VALUE`; nil when one is none: a limit that is misread would be no limit.
    private static func limits(_ payload: [UInt8]) -> CgroupLimits? {
        var limits = CgroupLimits()
        for line in payload.split(separator: UInt8(ascii: "\n")) {
            guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let (name, value) = (line[..<equals], line[(equals + 1)...])
            guard limits.set(String(decoding: name, as: UTF8.self), to: String(decoding: value, as: UTF8.self)) else {
                return nil
            }
        }
        return limits
    }
}
