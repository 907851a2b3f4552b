import Glibc
import Manifest
import Registry
import Spec
import Synchronization

/// Shows a transfer on standard error: on a terminal a live line with bytes and rate, elsewhere a line for each step and
/// one at the end.
final class TransferProgress: Sendable {
    private struct State {
        var step = ""
        var expected: UInt64 = 0
        var done: Int64 = 0
    }

    private final class StateBox: Sendable {
        let value = Mutex(State())
    }

    private let state: StateBox
    private let start = ContinuousClock.now
    private let live: LiveRegion?

    init() {
        let (state, start) = (StateBox(), start)
        self.state = state
        live = LiveRegion { [Self.line(state.value.withLock { $0 }, start)] }
        live?.start()
    }

    func show(_ event: TransferEvent) {
        switch event {
        case .expecting(let bytes): state.value.withLock { $0.expected = bytes }
        case .transferred(let bytes): state.value.withLock { $0.done += Int64(bytes) }
        case .step(let text): line(text)
        case .leftOut(let nodes): line("\(nodes)")
        case .warning(let text): line("warning: \(text)")
        }
    }

    private func line(_ given: String) {
        let text = printable(given)
        state.value.withLock { $0.step = text }
        if let live { live.line(text) } else { print(text, to: .errors) }
    }

    /// Takes the live display away and says how much was transferred.
    func end() {
        live?.end()
        let state = state.value.withLock { $0 }
        if state.done > 0 { print(Self.line(state, start), to: .errors) }
    }

    private static func line(_ state: State, _ start: ContinuousClock.Instant) -> String {
        let elapsed = (ContinuousClock.now - start).components
        let seconds = max(0.001, Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18)
        let done = UInt64(max(0, state.done))
        let rate = UInt64(Double(done) / seconds)
        let total = state.expected > done ? " of \(ByteCount(bytes: state.expected))" : ""
        return "transferred \(ByteCount(bytes: done))\(total) in \(tenths(seconds)) s, \(ByteCount(bytes: rate))/s"
    }
}

/// Runs a transfer with its progress shown, until it is done, fails or is interrupted.
func transferring<Result: Sendable>(
    _ body: @escaping @Sendable (_ report: @escaping @Sendable (TransferEvent) -> Void) async throws -> Result
) async throws -> Result {
    let progress = TransferProgress()
    defer { progress.end() }
    return try await interruptible { try await body { progress.show($0) } }
}
