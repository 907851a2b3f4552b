import Builder
import Linux
import Synchronization

/// Shows tests on standard error: on a terminal what runs now, below those that failed; elsewhere a line for each.
final class TestProgress: Sendable {
    private struct State {
        var running: [(name: String, start: ContinuousClock.Instant)] = []
        var passed = 0
        var failed = 0
    }

    /// Shared with the live region, which reads it while it draws.
    private final class StateBox: Sendable {
        let value = Mutex(State())
    }

    private let verbose: Bool
    private let start = ContinuousClock.now
    private let state: StateBox
    private let live: LiveRegion?

    /// - Parameter tests: how many there are.
    init(tests: Int, verbose: Bool) {
        let (state, start) = (StateBox(), start)
        self.verbose = verbose
        self.state = state
        live = LiveRegion { Self.picture(state.value.withLock { $0 }, tests, start) }
        live?.start()
    }

    /// Takes the live display away.
    func end() { live?.end() }

    func show(_ event: TestEvent) {
        switch event {
        case .started(let test): state.value.withLock { $0.running.append((test.name, .now)) }
        case .output(let test, let bytes):
            guard verbose else { return }
            for text in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
                plain("  \(test.name) | \(text)")
            }
        case .ended(let result): ended(result)
        }
    }

    private func ended(_ result: TestResult) {
        let name = result.test.name
        state.value.withLock { state in
            state.running.removeAll { $0.name == name }
            if result.hasPassed { state.passed += 1 } else { state.failed += 1 }
        }
        guard !result.hasPassed else {
            let time = result.isRecorded ? "passed before" : "passed in \(tenths(result.seconds)) s"
            // What the live display counts by itself.
            if live == nil { line("\(name): \(time)") }
            return
        }
        line("\(name): FAILED in \(tenths(result.seconds)) s")
        for failure in result.failures {
            for text in failure.description.split(separator: "\n") { plain("  \(text)") }
        }
    }

    private static func picture(_ state: State, _ tests: Int, _ start: ContinuousClock.Instant) -> [String] {
        let now = ContinuousClock.now
        let failed = state.failed == 0 ? "" : ", \(state.failed) FAILED"
        let rows = state.running.prefix(16).map { "  \($0.name), \(tenths(now - $0.start)) s" }
        return ["[\(tenths(now - start)) s] \(state.passed + state.failed) of \(tests) tests\(failed)"] + rows
    }

    private func line(_ text: String) { plain("[\(tenths(ContinuousClock.now - start)) s] \(text)") }

    private func plain(_ text: String) {
        if let live { live.line(text) } else { print(text, to: .errors) }
    }
}
