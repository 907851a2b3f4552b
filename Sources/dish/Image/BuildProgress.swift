import Builder
import Glibc
import Layers
import Linux
import Manifest
import Spec
import Synchronization

/// Shows a build on standard error: on a terminal what runs now, below a line for each image that was built;
/// elsewhere plain lines, one for each thing that happens, with its time.
final class BuildProgress: Sendable {
    private struct Running {
        let label: Label
        var step: String
        let start: ContinuousClock.Instant
    }

    private struct State {
        var failed = false
        var fetched: [Label: Int] = [:]
        var running: [Running] = []
        var done = 0
        var total = 0
    }

    private let verbose: Bool
    private let start = ContinuousClock.now
    private let state: StateBox
    private let live: LiveRegion?

    /// Shared with the live region, which reads it while it draws.
    private final class StateBox: Sendable {
        let value = Mutex(State())
    }

    init(verbose: Bool) {
        let (state, start) = (StateBox(), start)
        self.verbose = verbose
        self.state = state
        live = LiveRegion { Self.picture(state.value.withLock { $0 }, start) }
    }

    var hasShownFailure: Bool { state.value.withLock(\.failed) }

    /// Begins the live display.
    ///
    /// - Parameter targets: how many there are.
    func begin(targets: Int) {
        state.value.withLock { $0.total = targets }
        live?.start()
    }

    /// Takes the live display away.
    func end() { live?.end() }

    func show(_ event: BuildEvent) {
        switch event {
        case .updatingIndexes(let suite): line("fetch the package indexes of \(suite)")
        case .resolvingPython(let label): line("\(label): resolve its Python packages")
        case .foundKeys(let label, let keys): foundKeys(label, keys)
        case .planned(let label, let packages): line("\(label): planned, \(packages) packages (\(LockFile.name))")
        case .fetching(let label, let done, let total): fetching(label, done, total)
        case .started(let label):
            state.value.withLock { $0.running.append(Running(label: label, step: "build", start: .now)) }
            detail("\(label): build")
        case .step(let label, let text):
            state.value.withLock { state in
                if let index = state.running.firstIndex(where: { $0.label == label }) { state.running[index].step = text }
            }
            detail("\(label): \(text)")
        case .output(let label, let bytes): if verbose { output(label, bytes) }
        case .cached(let label, let layer):
            ended(label)
            detail("\(label): unchanged, layer \(layer.id.short)")
        case .built(let label, let layer, let seconds):
            ended(label)
            line("\(label): built layer \(layer.id.short) in \(tenths(seconds)) s")
        case .verified(let label, let layer, let seconds):
            ended(label)
            line("\(label): built again, gives layer \(layer.id.short) again, in \(tenths(seconds)) s")
        case .skipped(let label, let cause):
            ended(label)
            line("\(label): skipped, it needs \(cause)")
        case .failed(let label, let error):
            ended(label)
            if error is CancellationError { return }
            state.value.withLock { $0.failed = true }
            line("\(label): FAILED: \(error)")
        }
    }

    /// The targets that decided how long the build took, if there was more than one.
    func showLongestChain(_ chain: [BuildResult.Target]) {
        guard chain.count > 1 else { return }
        let total = chain.reduce(0) { $0 + $1.seconds }
        let links = chain.map { "\($0.label) \(tenths($0.seconds)) s" }.joined(separator: ", ")
        line("longest chain, \(tenths(total)) s: \(links)")
    }

    private static func picture(_ state: State, _ start: ContinuousClock.Instant) -> [String] {
        let now = ContinuousClock.now
        let rows = state.running.prefix(16).map { running in
            "  \(running.label): \(running.step), \(tenths(now - running.start)) s"
        }
        return ["[\(tenths(now - start)) s] \(state.done) of \(state.total) images"] + rows
    }

    private func ended(_ label: Label) {
        state.value.withLock { state in
            state.running.removeAll { $0.label == label }
            state.done += 1
        }
    }

    /// A line at every quarter, not at every package.
    private func fetching(_ label: Label, _ done: Int, _ total: Int) {
        let quarter = total > 0 ? done * 4 / total : 4
        let isNew = state.value.withLock { state in
            let last = state.fetched[label] ?? -1
            state.fetched[label] = max(last, quarter)
            return quarter > last
        }
        if isNew, total > 0 {
            line("\(label): fetched \(ByteCount(bytes: UInt64(done))) of \(ByteCount(bytes: UInt64(total))) of packages")
        }
    }

    private func foundKeys(_ label: Label, _ keys: [PrivateKey]) {
        let what = keys.count == 1 ? "a private key" : "\(keys.count) private keys"
        line(
            "\(label): WARNING: the image holds \(what), which everybody has who has the image; let tasks make it when they boot ('first_boot'), or give it to them as a secret:"
        )
        for key in keys.prefix(20) { plain("  | \(oneLine(key.path)) (\(key.kind))") }
        if keys.count > 20 { plain("  | and \(keys.count - 20) more") }
    }

    private func output(_ label: Label, _ bytes: [UInt8]) {
        for text in String(decoding: bytes, as: UTF8.self).split(separator: "\n") { plain("  \(label) | \(text)") }
    }

    /// What the live display shows by itself.
    private func detail(_ text: String) {
        if live == nil { line(text) }
    }

    private func line(_ text: String) { plain("[\(tenths(ContinuousClock.now - start)) s] \(text)") }

    private func plain(_ text: String) {
        if let live { live.line(text) } else { print(text, to: .errors) }
    }
}

func tenths(_ duration: Duration) -> String {
    tenths(Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18)
}

func tenths(_ seconds: Double) -> String {
    let value = Int((seconds * 10).rounded())
    return "\(value / 10).\(value % 10)"
}
