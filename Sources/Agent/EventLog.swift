public import AgentAPI
import Glibc
import Linux
public import Logging
import Synchronization

/// What happened on the host, and why: numbered without gaps, kept in files of bounded size (docs/tasks.md, "Events").
///
/// Noting an event never waits. A task of the log's own writes them in order: an event outlives the agent a moment after
/// it was noted, and a power cut after a second.
public final class EventLog: Sendable {
    private struct State {
        var next: UInt64
        /// The last ones, all that this process has noted at most.
        var recent: [AgentEvent] = []
        var willSync = false
        var counts: [Kind: UInt64] = [:]
        var allowance = EventAllowance()
    }

    /// What events are counted by.
    struct Kind: Hashable, Sendable {
        let kind: AgentEvent.Kind
        let what: String
    }

    private enum Entry {
        case event(AgentEvent)
        case retry
        case flush(CheckedContinuation<Void, Never>)

        var isRetry: Bool {
            if case .retry = self { return true }
            return false
        }
    }

    private static let kept = 1000
    /// The last word of an agent that has recorded all it did.
    private static let end = (AgentEvent.Kind.agent, "stopped")

    private let files: EventFiles
    private let logger: Logger
    private let state: Mutex<State>
    private let entries: AsyncStream<Entry>.Continuation
    private let changes = ChangeSignal()
    /// True if the last agent recorded all that it did.
    let isComplete: Bool
    /// The last one who reads the files: one at a time does, however many ask.
    private let reading = Mutex<Task<Void, Never>?>(nil)

    /// - Parameter directory: made where it is missing.
    public init(directory: String, logger: Logger) {
        files = EventFiles(directory: directory)
        self.logger = logger
        do {
            let last = try files.last()
            state = Mutex(State(next: (last?.sequence ?? 0) + 1))
            isComplete = last.map { ($0.kind, $0.what) == Self.end } ?? true
        } catch {
            logger.error("the events' files can't be read; events are kept in memory", metadata: ["error": "\(error)"])
            state = Mutex(State(next: 1))
            isComplete = false
        }
        let (stream, continuation) = AsyncStream.makeStream(of: Entry.self)
        entries = continuation
        let files = files
        Task {
            var writer = EventFiles.Writer(files)
            // Events that can't be written yet: retried with the next entry, and each second.
            var waiting: [AgentEvent] = []
            for await entry in stream {
                let wasStuck = !waiting.isEmpty
                if case .event(let event) = entry { waiting.append(event) }
                do {
                    try writer.append(&waiting)
                } catch {
                    if !wasStuck { logger.error("write an event; it is tried again", metadata: ["error": "\(error)"]) }
                }
                if case .flush(let waiter) = entry { waiter.resume() }
                guard !waiting.isEmpty, !wasStuck || entry.isRetry else { continue }
                Task {
                    try? await Task.sleep(for: .seconds(1))
                    continuation.yield(.retry)
                }
            }
        }
    }

    deinit { entries.finish() }

    /// Notes that something happened.
    ///
    /// - Parameters:
    ///   - what: a word or two, always the same for the same kind of event.
    ///   - reason: who asked for it, or what made it necessary.
    ///   - isOwnDoing: whether the object itself can make such events, as a task that flaps does: too many of them are left out,
    ///     and the next one says how many.
    public func record(
        _ kind: AgentEvent.Kind, _ name: String, id: String? = nil, _ what: String, reason: String, isOwnDoing: Bool = false
    ) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let time = Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
        let startsSync = state.withLock { state in
            var leftOut: UInt64
            if isOwnDoing {
                let isAdmitted: Bool
                (isAdmitted, leftOut) = state.allowance.admit(id ?? name, at: HostClock.now)
                guard isAdmitted else { return false }
            } else {
                leftOut = state.allowance.takeLeftOut(of: id ?? name)
            }
            let reason = leftOut == 0 ? reason : "\(reason) (\(leftOut) events before this one were left out: too many)"
            let event = AgentEvent(
                sequence: state.next, time: time, kind: kind, name: name, id: id, what: what, reason: reason)
            state.next += 1
            state.counts[Kind(kind: kind, what: what), default: 0] += 1
            state.recent.append(event)
            if state.recent.count >= 2 * Self.kept { state.recent.removeFirst(Self.kept) }
            entries.yield(.event(event))
            defer { state.willSync = true }
            return !state.willSync
        }
        changes.signal()
        if startsSync { Task { await sync() } }
    }

    /// Brings events to the disk a second after the first of them. Nothing waits for it, and no event: a kill of the agent loses none.
    private func sync() async {
        var hasMore = true
        while hasMore {
            try? await Task.sleep(for: .seconds(1))
            let (last, files) = (last, files)
            await flush()
            do {
                try await blocking { try files.sync() }
            } catch {
                logger.error("sync events", metadata: ["error": "\(error)"])
            }
            hasMore = state.withLock { state in
                state.willSync = state.next - 1 > last
                return state.willSync
            }
        }
    }

    /// Returns once all that was noted is in the files, or couldn't be written.
    public func flush() async {
        await withCheckedContinuation { entries.yield(.flush($0)) }
    }

    /// How many this process has noted.
    var counts: [Kind: UInt64] { state.withLock { $0.counts } }

    /// The number of the last event; 0 before the first.
    public var last: UInt64 { state.withLock { $0.next - 1 } }

    /// Events after one, oldest first, as far back as they are kept.
    ///
    /// - Parameter time: milliseconds since 1970; only those not before it.
    public func events(after sequence: UInt64, from time: Int64 = .min) async throws -> [AgentEvent] {
        let recent = state.withLock { $0.recent }
        // What a clock that was set back says of later events is theirs.
        if let first = recent.first?.sequence ?? (last == sequence ? last : nil), first <= sequence + 1 {
            return recent.filter { $0.sequence > sequence && $0.time >= time }
        }
        await flush()
        let files = files
        let read = reading.withLock { last in
            let before = last
            let read = Task {
                await before?.value
                let kept = try await blocking { try files.all() }
                // Events that can't be written are in memory alone.
                let unwritten = self.state.withLock { $0.recent }.drop { $0.sequence <= kept.last?.sequence ?? 0 }
                return (kept + unwritten).filter { $0.sequence > sequence && $0.time >= time }
            }
            last = Task { _ = await read.result }
            return read
        }
        return try await read.value
    }

    /// Events as they happen, after those that have happened since one. Nothing for some seconds is an empty batch.
    ///
    /// - Parameter end: returns when there shall be no more.
    func follow(
        after sequence: UInt64, from time: Int64 = .min, until end: @escaping @Sendable () async throws -> Void
    ) -> AsyncThrowingStream<[AgentEvent], any Error> {
        AsyncThrowingStream { continuation in
            let task = Task {
                await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        var seen = sequence
                        while true {
                            // What is too old for the caller is not looked at again.
                            let noted = self.last
                            let batch = try await self.events(after: seen, from: time)
                            seen = max(seen, noted, batch.last?.sequence ?? 0)
                            continuation.yield(batch)
                            let heard = seen
                            try await self.changes.wait(until: .now + .seconds(10)) { self.last <= heard }
                        }
                    }
                    group.addTask { try await end() }
                    do {
                        try await group.next()
                        continuation.finish()
                    } catch {
                        continuation.finish(throwing: error)
                    }
                    group.cancelAll()
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
