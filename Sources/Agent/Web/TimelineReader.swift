import AgentAPI
import Layers
import Linux
import Synchronization

/// Reads what was for the page, one after another: it takes as long as what changed is large, which who runs in a task decides.
actor TimelineReader {
    /// What a listener's readers may cost.
    struct Share: Sendable {
        /// For one answer.
        var time: Duration
        /// How many may wait for their turn.
        var waiting: Int
        /// Whether it rests after each answer for as long as that took.
        var rests: Bool
        /// What each tree may take in memory that is read for one answer.
        var budget = TreeBudget(nodes: 200_000, bytes: 32 << 20)

        static func of(_ listener: APIListener) -> Share {
            switch listener {
            case .web: Share(time: .seconds(2), waiting: 4, rests: true)
            case .socket, .tls: Share(time: .seconds(30), waiting: 16, rests: false)
            }
        }
    }

    private let tasks: TaskManager
    private let share: Share
    private var last: Task<Void, Never>?
    private var waiting = 0

    /// Of how many changed paths the names are told.
    private static let most = 500
    /// How many bytes their names have.
    private static let mostBytes = 1 << 20

    init(tasks: TaskManager, share: Share) {
        self.tasks = tasks
        self.share = share
    }

    /// - Parameters:
    ///   - path: what of it was there at each moment is told with it; else nil.
    ///   - counts: whether what changed between them is counted, as far as there is time.
    func moments(of asked: Subject, showing path: String?, counts: Bool) async throws -> [TimelineMoment] {
        let counted = Mutex<[TimelineMoment]>([])
        do {
            return try await read(asked) { pool, timeline in
                if let path { return try pool.moments(of: timeline, showing: path) }
                guard counts else { return try pool.moments(of: timeline) }
                let moments = try pool.moments(of: timeline)
                counted.withLock { $0 = moments }
                return try pool.momentsWithChanges(of: timeline) { index, moment in
                    counted.withLock { if $0.indices.contains(index) { $0[index] = moment } }
                }
            }
        } catch let error as TooLong {
            return try Self.known(counted.withLock { $0 }, error.description)
        } catch let error as TreeTooLarge {
            return try Self.known(counted.withLock { $0 }, "cannot compare them: \(error); \(Self.advice)")
        }
    }

    /// What is known when the rest isn't read.
    private static func known(_ moments: [TimelineMoment], _ why: String) throws -> [TimelineMoment] {
        guard !moments.isEmpty else { throw AgentError(.failed, why) }
        return moments
    }

    func changes(in asked: Subject, from: String, to: String) async throws -> TimelineChanges {
        do {
            return try await read(asked) { pool, timeline in
                let changes = try pool.changes(in: timeline, from: from, to: to)
                let named = Self.named(changes)
                return TimelineChanges(
                    from: from, to: to, summary: ChangeSummary(changes), changes: Array(named),
                    left: changes.count - named.count)
            }
        } catch let error as TooLong {
            throw AgentError(.failed, error.description)
        } catch let error as TreeTooLarge {
            throw AgentError(.failed, "cannot compare the two: \(error); \(Self.advice)")
        }
    }

    /// The first ones, as many as are named in an answer.
    private static func named(_ changes: [TreeChange]) -> ArraySlice<TreeChange> {
        var bytes = 0
        return changes.prefix(most).prefix {
            bytes += $0.path.utf8.count
            return bytes <= mostBytes
        }
    }

    private static let advice = "on the host: dish diff, dish volume diff, dish image diff"

    private struct TooLong: Error, CustomStringConvertible {
        let time: Duration

        var description: String {
            "to compare the two takes longer than \(time.components.seconds) s; \(TimelineReader.advice)"
        }
    }

    /// What a timeline is of.
    struct Subject {
        enum Kind: String, CaseIterable, Sendable {
            case task, volume, image
        }

        let kind: Kind
        let name: String
    }

    private func read<Result: Sendable>(
        _ asked: Subject, _ body: @escaping @Sendable (Pool, Timeline) throws -> Result
    ) async throws -> Result {
        let (before, pool, share) = (last, tasks.configuration.pool, share)
        // By its id: names may be the beginning of one.
        let task = asked.kind == .task ? try await tasks.task(asked.name).id : nil
        guard waiting <= share.waiting else {
            throw AgentError(.conflict, "too many ask what was at once; try again in a moment")
        }
        waiting += 1
        let reading = Task {
            await before?.value
            let start = ContinuousClock.now
            let work = Task {
                try await blocking {
                    let pool = try pool.holdingLayersToRead()
                    return try TreeBudget.$current.withValue(share.budget) {
                        try body(pool, Self.timeline(asked, task: task, in: pool))
                    }
                }
            }
            let answer = await Self.outcome(of: work, within: share.time)
            return (answer, work, start)
        }
        last = Task {
            let (_, work, start) = await reading.value
            // What is given up ends where it next looks whether it is.
            _ = await work.result
            if share.rests { try? await Task.sleep(for: .now - start) }
        }
        let answer = await reading.value.0
        waiting -= 1
        guard let answer else { throw TooLong(time: share.time) }
        do {
            return try answer.get()
        } catch let error as TreeTooLarge {
            throw error
        } catch {
            throw TaskManager.refusal(error)
        }
    }

    /// What comes of a task, which is cancelled when the time is over; nil then.
    private static func outcome<Value: Sendable>(
        of work: Task<Value, any Error>, within time: Duration
    ) async -> Result<Value, any Error>? {
        let (answers, continuation) = AsyncStream.makeStream(of: Result<Value, any Error>?.self)
        let waiting = Task { continuation.yield(await work.result) }
        let limit = Task {
            try await Task.sleep(for: time)
            work.cancel()
            continuation.yield(nil)
        }
        defer {
            waiting.cancel()
            limit.cancel()
        }
        for await answer in answers { return answer }
        return nil
    }

    private static func timeline(_ asked: Subject, task: String?, in pool: Pool) throws -> Timeline {
        switch asked.kind {
        case .volume: return .volume(try pool.volume(asked.name).name)
        case .image: return .image(asked.name)
        case .task:
            guard let record = try pool.allTasks().first(where: { $0.id == task }) else {
                throw AgentError(.notFound, "the task '\(asked.name)' has no root file system in the pool")
            }
            return .task(record)
        }
    }
}

/// What changed between two moments: all of it in sum, the first paths by name.
struct TimelineChanges: Sendable, Codable {
    let from: String
    let to: String
    let summary: ChangeSummary
    let changes: [TreeChange]
    /// How many paths aren't named.
    let left: Int
}
