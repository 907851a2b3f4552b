import AgentAPI
import Glibc
public import Layers
import Linux
public import Logging

/// Compares the content of the pool's layers with their ids in the background, at a bounded rate, and sets aside what is damaged
/// (docs/pool.md, "What the agent does").
public actor LayerWatch {
    /// What is compared: each layer in its turn, or one that has changed, at once.
    private enum Work: Hashable {
        case turn, changed
    }

    private let pool: Pool
    private let registry: PoolRegistry
    private let events: EventLog
    private let logger: Logger
    private let pace = ReadPace(bytesPerSecond: PoolSettings.defaultCheckRate)
    private var running: [Work: Task<Void, Never>] = [:]
    /// Until when those wait that were compared, or couldn't be, a moment ago.
    private var postponed: [LayerID: ContinuousClock.Instant] = [:]
    private var underWay: Set<LayerID> = []
    /// What went wrong last: said once.
    private var failure: String?

    public init(pool: Pool, registry: PoolRegistry, events: EventLog, logger: Logger) {
        self.pool = pool
        self.registry = registry
        self.events = events
        self.logger = logger
    }

    /// Looks for what must be compared every five seconds, until it is cancelled.
    public func run() async throws {
        // Not while those that waited for an agent are served.
        try await Task.sleep(for: .seconds(10))
        _ = await trying { [pool] in try pool.keepCopies() }
        do {
            while true {
                await look()
                try await Task.sleep(for: .seconds(5))
            }
        } catch {
            stop()
            throw error
        }
    }

    private func stop() {
        for work in running.values { work.cancel() }
    }

    private func look() async {
        let (pool, registry) = (pool, registry)
        guard let settings = await trying({ try registry.settings(of: pool) }) else { return }
        guard settings.effectiveCheckRate > 0 else { return stop() }
        pace.change(to: settings.effectiveCheckRate)
        for work in [Work.turn, .changed] where running[work] == nil {
            running[work] = Task { [weak self] in
                await self?.checkAll(work, every: settings.effectiveCheckEvery)
                await self?.end(work)
            }
        }
    }

    private func end(_ work: Work) { running[work] = nil }

    private func checkAll(_ work: Work, every: Int64) async {
        let pool = pool
        while !Task.isCancelled {
            let due = await trying {
                try pool.layersToCheck(every: every, now: Int64(time(nil)), onlyChanged: work == .changed)
            }
            postponed = postponed.filter { $0.value > .now }
            // One that has changed is due for both.
            guard let next = due?.first(where: { postponed[$0] == nil && !underWay.contains($0) }) else { return }
            underWay.insert(next)
            await check(next)
            underWay.remove(next)
        }
    }

    private func check(_ id: LayerID) async {
        let (pool, pace) = (pool, pace)
        let verdict = await attempting {
            try await blocking(pace: pace) {
                // Others' work comes first; the thread is this call's own.
                setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
                return try pool.checkLayer(id)
            }
        }
        // Where there is no room to note that it was compared, it would be next again.
        postponed[id] = .now + .seconds(5)
        switch verdict {
        case .whole(let hasRecovered):
            if hasRecovered { record("layer whole", "the content of the layer \(id.short) is what its id says again") }
        case .damaged(let layer, let isNews):
            if isNews { record("layer damaged", "\(layer)") }
        case .undecided, nil: postponed[id] = .now + .seconds(30)
        }
    }

    private func record(_ what: String, _ reason: String) {
        events.record(.pool, pool.path, what, reason: reason)
        logger.info("pool", metadata: ["pool": "\(pool.path)", "what": "\(what)", "reason": "\(reason)"])
    }

    private func trying<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async -> Result? {
        await attempting { try await blocking(body) }
    }

    private func attempting<Result: Sendable>(_ body: @Sendable () async throws -> Result) async -> Result? {
        do {
            return try await body()
        } catch {
            let text = "\(error)"
            if !(error is CancellationError), text != failure {
                failure = text
                logger.error("check layers", metadata: ["pool": "\(pool.path)", "error": "\(text)"])
            }
            return nil
        }
    }
}
