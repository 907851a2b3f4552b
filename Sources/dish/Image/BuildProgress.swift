import Builder
import Glibc
import Layers
import Linux
import Manifest
import Synchronization

/// Shows a build as plain lines on standard error: one for each thing that happens, with its time.
final class BuildProgress: Sendable {
    private struct State {
        var failed = false
        var fetched: [Label: Int] = [:]
    }

    private let verbose: Bool
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    init(verbose: Bool) {
        self.verbose = verbose
    }

    var hasShownFailure: Bool { state.withLock(\.failed) }

    func show(_ event: BuildEvent) {
        switch event {
        case .updatingIndexes(let suite): line("fetch the package indexes of \(suite)")
        case .planned(let label, let packages): line("\(label): planned, \(packages) packages (\(LockFile.name))")
        case .fetching(let label, let done, let total): fetching(label, done, total)
        case .started(let label): line("\(label): build")
        case .step(let label, let text): line("\(label): \(text)")
        case .output(let label, let bytes): if verbose { output(label, bytes) }
        case .cached(let label, let layer): line("\(label): unchanged, layer \(layer.id.short)")
        case .built(let label, let layer, let seconds):
            line("\(label): built layer \(layer.id.short) in \(tenths(seconds)) s")
        case .verified(let label, let layer, let seconds):
            line("\(label): built again, gives layer \(layer.id.short) again, in \(tenths(seconds)) s")
        case .skipped(let label, let cause): line("\(label): skipped, it needs \(cause)")
        case .failed(let label, let error):
            if error is CancellationError { return }
            state.withLock { $0.failed = true }
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

    /// A line at every quarter, not at every package.
    private func fetching(_ label: Label, _ done: Int, _ total: Int) {
        let quarter = total > 0 ? done * 4 / total : 4
        let isNew = state.withLock { state in
            let last = state.fetched[label] ?? -1
            state.fetched[label] = max(last, quarter)
            return quarter > last
        }
        if isNew, total > 0 {
            line("\(label): fetched \(ByteCount(bytes: UInt64(done))) of \(ByteCount(bytes: UInt64(total))) of packages")
        }
    }

    private func output(_ label: Label, _ bytes: [UInt8]) {
        for text in String(decoding: bytes, as: UTF8.self).split(separator: "\n") { print("  \(label) | \(text)", to: .errors) }
    }

    private func line(_ text: String) {
        let elapsed = (ContinuousClock.now - start).components
        let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
        print("[\(tenths(seconds)) s] \(text)", to: .errors)
    }
}

func tenths(_ seconds: Double) -> String {
    let value = Int((seconds * 10).rounded())
    return "\(value / 10).\(value % 10)"
}
