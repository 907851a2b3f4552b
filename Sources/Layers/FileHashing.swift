import CLinux
import Dispatch
import Glibc
import Linux
import Synchronization

/// A directory that stays open as long as anybody needs it.
final class OpenDirectory: Sendable {
    let file: OwnedFD

    init(_ file: consuming OwnedFD) { self.file = file }
}

/// Hashes files on all processors while somebody goes on finding them. However many there are, few wait at a time, and few directories
/// are open. Whoever finds them helps when too many wait, so the work goes on even where no other thread is free.
final class FileHashing: Sendable {
    /// A file that waits.
    private struct Item {
        let node: Int
        let name: [UInt8]
        let directory: OpenDirectory
    }

    private struct State {
        var waiting: [Item] = []
        /// Those of `waiting` before it are taken.
        var next = 0
        /// Files that are being read.
        var running = 0
        var workers = 0
        /// True while `finish` or `stop` waits for those.
        var isAwaited = false
        var done: [(node: Int, digest: ContentDigest)] = []
        var failure: (node: Int, error: any Error)?

        var isFull: Bool { waiting.count - next >= FileHashing.mostWaiting }
    }

    private static let mostWaiting = 128
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "dish.hash", attributes: .concurrent)
    private let idle = DispatchSemaphore(value: 0)
    private let cancellation = Cancellation.current
    /// Threads beside those of whoever finds files. Work with a pace has none: they would wait most of the time.
    private let mostWorkers = Cancellation.current?.isPaced == true ? 0 : max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)))

    /// A file of a tree whose digest can't be computed.
    struct Failure: Error {
        let node: Int
        let error: any Error
    }

    /// Hashes a file soon.
    func add(_ node: Int, _ name: [UInt8], in directory: OpenDirectory) throws(Failure) {
        let (isNew, isFull) = state.withLock { state in
            state.waiting.append(Item(node: node, name: name, directory: directory))
            let isNew = state.workers < mostWorkers
            if isNew { state.workers += 1 }
            return (isNew, state.isFull)
        }
        if isNew { queue.async { self.work() } }
        if isFull, let item = next() { hash(item) }
        try throwFailure()
    }

    /// The digests that are known by now, each once.
    func takeDone() -> [(node: Int, digest: ContentDigest)] {
        state.withLock { state in
            // As many at a time as to make that worthwhile.
            if state.done.count < 256 { return [] }
            defer { state.done.removeAll(keepingCapacity: true) }
            return state.done
        }
    }

    /// Waits for all files.
    func finish() throws(Failure) -> [(node: Int, digest: ContentDigest)] {
        while let item = next() { hash(item) }
        awaitRunning()
        try throwFailure()
        return state.withLock { state in
            defer { state.done = [] }
            return state.done
        }
    }

    /// Forgets what waits, and waits for what is read.
    func stop() {
        state.withLock { state in
            state.waiting = []
            state.next = 0
        }
        awaitRunning()
    }

    private func awaitRunning() {
        let mustWait = state.withLock { state in
            state.isAwaited = state.running > 0
            return state.isAwaited
        }
        if mustWait { idle.wait() }
    }

    private func throwFailure() throws(Failure) {
        guard let failure = state.withLock({ $0.failure }) else { return }
        throw Failure(node: failure.node, error: failure.error)
    }

    private func work() {
        while let item = next(isWorker: true) { hash(item) }
    }

    private func hash(_ item: Item) {
        // Nothing is read any more once something failed.
        let hasFailed = state.withLock { $0.failure != nil }
        let digest = hasFailed ? nil : Result { try Cancellation.joining(cancellation) { try Self.digest(item) } }
        let isLast = state.withLock { state in
            switch digest {
            case .success(let digest): state.done.append((item.node, digest))
            case .failure(let error): if state.failure == nil { state.failure = (item.node, error) }
            case nil: break
            }
            state.running -= 1
            guard state.isAwaited, state.running == 0 else { return false }
            state.isAwaited = false
            return true
        }
        if isLast { idle.signal() }
    }

    /// - Parameter isWorker: whether who asks ends when there is none.
    private func next(isWorker: Bool = false) -> Item? {
        state.withLock { state in
            guard state.next < state.waiting.count else {
                state.waiting.removeAll(keepingCapacity: true)
                state.next = 0
                if isWorker { state.workers -= 1 }
                return nil
            }
            let item = state.waiting[state.next]
            state.next += 1
            state.running += 1
            // Those that are done keep their directories open.
            if state.next == 32 {
                state.waiting.removeFirst(state.next)
                state.next = 0
            }
            return item
        }
    }

    private static func digest(_ item: Item) throws -> ContentDigest {
        try FileDigest.read(TreeReader.openFile(item.name, below: item.directory.file.number), shownName(item.name))
    }
}
