import AgentAPI
import Glibc
import Layers
import Linux
import Logging
import Networks
import Spec

/// The beginning and the end of an agent, and what it looks after in between.
extension TaskManager {
    /// Finds again the tasks of an earlier agent, which run on without it.
    ///
    /// - Parameter missing: nil when that agent recorded all it did.
    public func recover(_ missing: MissingEvents? = nil) async throws {
        let configuration = configuration
        let changes = try await blocking {
            defer { _ = SteadyTime(configuration) }  // Notes the date.
            let changes = HostPreparation.apply()
            try TaskJournal.writeSettings(configuration)
            return changes
        }
        for change in changes { logger.info("host: \(change)") }
        let store = IntentStore(configuration)
        var lost: Set<String> = []
        for (id, found) in try await blocking({ try store.all() }) {
            let intent: TaskIntent
            switch found {
            case .intent(let whole): intent = whole
            case .restored(let copy, let damage):
                intent = copy
                report(damage, of: copy.name, id)
            case .lost(let damage, let isAtWork):
                report(damage, of: id, id)
                lost.insert(id)
                if !isAtWork { await giveBack(id) }
                continue
            }
            guard intent.pool == configuration.pool.path else {
                throw AgentError(
                    .conflict,
                    "'\(configuration.stateDirectory)' holds the task '\(intent.name)' of the pool '\(intent.pool)'; use that pool, or another state directory"
                )
            }
            await adopt(intent)
        }
        await record(missing, damaged: lost)
        try await settleRecovered()
        await repairPool()
        Task {
            await resources.bound()
            await repeatLimits()
        }
    }

    /// Lets what is under way finish; takes the network down when no task is left.
    public func shutDown() async {
        isShuttingDown = true
        let deadline = ContinuousClock.now + .seconds(10)
        while busy > 0, ContinuousClock.now < deadline, !Task.isCancelled { try? await changes.wait(until: deadline) }
        events.record(.agent, "dishd", "stopped", reason: "it was told to; tasks go on")
        await events.flush()
        guard tasks.isEmpty else { return }
        // An earlier agent may have made it.
        let network = configuration.network
        try? await blocking { try network.remove() }
    }

    /// What needs doing now and then: quota groups of tasks whose subvolumes the kernel has cleaned, logs that are kept no longer.
    public func housekeeping() async {
        let (pool, retention) = (configuration.pool, configuration.logRetention)
        await finishRemovals()
        await restoreHost()
        let now = SteadyTime(configuration).now
        do {
            let logger = logger
            let expired = try await blocking {
                try pool.expireLogs(retention, now: now) {
                    logger.warning("logs of a removed task stay", metadata: ["reason": "\($0)"])
                }
            }
            for task in expired {
                logger.info("logs of a removed task are kept no longer", metadata: ["task": "\(task.name)", "id": "\(task.id)"])
            }
        } catch {
            logger.error("remove logs that are kept no longer", metadata: ["error": "\(error)"])
        }
        do {
            // Each limit is a file of its own to read: that they are on is looked at each time, limits every five minutes.
            let limits = tasks.mapValues(\.intent.request.limits.disk)
            let looksAtAll = ContinuousClock.now >= nextLookAtLimits
            if looksAtAll { nextLookAtLimits = .now + .seconds(300) }
            for what in try await blocking({
                try looksAtAll || !pool.hasQuotas() ? pool.restoreQuotas(limits: limits) : []
            }) {
                logger.warning("quotas", metadata: ["restored": "\(what)"])
                events.record(.pool, pool.path, "quotas restored", reason: what)
            }
        } catch {
            logger.debug("look at quotas", metadata: ["error": "\(error)"])
        }
        do {
            let strays = try await blocking { try pool.adoptStrays() }
            if strays > 0 {
                logger.warning("subvolumes of tasks were in no quota group of theirs", metadata: ["adopted": "\(strays)"])
            }
        } catch {
            logger.debug("look for subvolumes outside of their quota groups", metadata: ["error": "\(error)"])
        }
        do {
            _ = try await blocking { try pool.removeStuckEntries(most: 16) }
        } catch {
            logger.debug("remove what was set aside", metadata: ["error": "\(error)"])
        }
        do {
            try await blocking { try pool.removeUnusedQuotaGroups() }
        } catch {
            logger.debug("remove unused quota groups", metadata: ["error": "\(error)"])
        }
    }
}
