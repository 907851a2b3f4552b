/// Input on its way from clients to the program: bounded, in order, and its end after it.
///
/// While it is full, clients that feed it aren't read: their sockets fill, and they wait.
struct InputQueue {
    private var packets: [[UInt8]] = []
    /// How much of the first packet has been passed.
    private var passed = 0
    private var count = 0
    private var isOver = false
    private static let capacity = 128 * 1024
    /// Each packet that goes moves those behind it.
    private static let packetLimit = 1024

    var isFull: Bool { count >= Self.capacity || packets.count >= Self.packetLimit }

    /// Whether something waits for the program.
    var hasWork: Bool { count > 0 || isOver }

    /// Takes input; no bytes are its end, after which there is no more.
    mutating func append(_ bytes: [UInt8]) {
        guard !isOver else { return }
        if bytes.isEmpty {
            isOver = true
        } else {
            packets.append(bytes)
            count += bytes.count
        }
    }

    /// Gives up what waits, but not the end of input.
    mutating func drop() { (packets, passed, count) = ([], 0, 0) }

    /// Gives the program what it takes without waiting.
    mutating func pass(to program: inout Program) {
        while let packet = packets.first {
            switch program.write(packet[passed...]) {
            case .took(let length):
                passed += length
                count -= length
                if passed < packet.count { return }
                packets.removeFirst()
                passed = 0
            case .full: return
            case .closed:
                // Nobody will ever read it.
                self = InputQueue()
                return
            }
        }
        guard isOver else { return }
        program.endInput()
        isOver = false
    }
}
