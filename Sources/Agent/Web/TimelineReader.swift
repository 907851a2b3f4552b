import AgentAPI
import Layers
import Linux

/// Reads what was for the page, one after another: it takes as long as what changed is large.
actor TimelineReader {
    private let tasks: TaskManager
    private var last: Task<Void, Never>?

    /// Of how many changed paths the names are told.
    private static let most = 500

    init(tasks: TaskManager) {
        self.tasks = tasks
    }

    /// - Parameter path: what of it was there at each moment is told with it; else nil.
    func moments(of asked: Subject, showing path: String?, counts: Bool) async throws -> [TimelineMoment] {
        try await read(asked) { pool, timeline in
            if let path { return try pool.moments(of: timeline, showing: path) }
            return counts ? try pool.momentsWithChanges(of: timeline) : try pool.moments(of: timeline)
        }
    }

    func changes(in asked: Subject, from: String, to: String) async throws -> TimelineChanges {
        try await read(asked) { pool, timeline in
            let changes = try pool.changes(in: timeline, from: from, to: to)
            return TimelineChanges(
                from: from, to: to, summary: ChangeSummary(changes), changes: Array(changes.prefix(Self.most)),
                left: changes.count - min(changes.count, Self.most))
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
        let (before, pool) = (last, tasks.configuration.pool)
        // By its id: names may be the beginning of one.
        let task = asked.kind == .task ? try await tasks.task(asked.name).id : nil
        let reading = Task {
            await before?.value
            return try await blocking {
                let pool = try pool.holdingLayers()
                return try body(pool, Self.timeline(asked, task: task, in: pool))
            }
        }
        last = Task { _ = try? await reading.value }
        do {
            return try await reading.value
        } catch {
            throw TaskManager.refusal(error)
        }
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
