import AgentAPI
import Cgroups
import Layers
import Linux
import Logging
import Networks
import TaskHelper

/// What a new agent mends (docs/failures.md).
extension TaskManager {
    /// Says that a file of a task can't be read.
    func report(_ damage: String, of name: String, _ id: String) {
        logger.error("a task's file can't be read", metadata: ["task": "\(name)", "error": "\(damage)"])
        events.record(.task, name, id: id, "damaged", reason: damage)
    }

    /// Records what an earlier agent did and couldn't record before it was killed.
    func record(_ missing: MissingEvents?, damaged: Set<String>) async {
        guard let missing else { return }
        events.record(.task, missing: missing.tasks(tasks.values.map(\.intent), damaged: damaged))
        let store = SecretStore(configuration)
        if let secrets = try? await blocking({ try store.list() }) { events.record(.secret, missing: missing.secrets(secrets)) }
    }

    /// Gives back what only a running task needs, of one of which nothing but its id is known.
    func giveBack(_ id: String) async {
        let configuration = configuration
        do {
            try await blocking {
                try configuration.network.removeNamespace(of: id)
                try TaskCgroup.existing(id: id, on: .current()).remove()
                try Files.removeTree(configuration.runtime(of: id))
            }
        } catch {
            logger.error("give back what a damaged task had", metadata: ["id": "\(id)", "error": "\(error)"])
        }
    }

    /// What is known of the current run of a task whose `run.json` can't be read: what its helper says, or else what helpers left. It
    /// is kept from starting by itself.
    func lostRun(of intent: TaskIntent, _ error: any Error) async -> TaskRun {
        let directory = configuration.state(of: intent.id)
        let recovery = TaskRecovery(directory: directory)
        var run = TaskRun()
        run.wish = recovery.hasHelper ? .run : .rest
        run.boot = recovery.hasHelper ? boot : nil
        let known = await askHelpers(of: [intent.id: recovery])[intent.id] ?? recovery.lastRunning
        run.generation = known?.generation ?? recovery.lastExit?.generation ?? 1
        let place =
            (try? DamagedFiles(configuration.stateDirectory).setAside("\(directory)/run.json", as: "\(intent.id)-run.json"))
        report(
            "\(error); it is set aside (\(place ?? "nowhere")), and the task doesn't start by itself", of: intent.name, intent.id)
        return run
    }

    /// Asks helpers whose word can't be read what they have.
    func askHelpers(of recoveries: [String: TaskRecovery]) async -> [String: RunningRecord] {
        await withTaskGroup(of: (String, RunningRecord?).self) { group in
            for (id, recovery) in recoveries where recovery.hasHelper {
                let socket = configuration.helperSocket(of: id)
                group.addTask { (id, (try? await blocking { HelperConnection.state(at: socket, within: 1000) }) ?? nil) }
            }
            var found: [String: RunningRecord] = [:]
            for await (id, record) in group {
                // While its run isn't known, nor is it which one it should be.
                if let record, tasks[id].map({ $0.generation == record.generation }) ?? true { found[id] = record }
            }
            return found
        }
    }

    /// Brings the pool in line with the intents: removes tasks that a power cut brought back, writes records that can't be read anew.
    func repairPool() async {
        let (pool, removed, intents) = (configuration.pool, RemovedStates(configuration), tasks.values.map(\.intent))
        let store = IntentStore(configuration)
        do {
            try await blocking {
                try removed.repeatRemovals()
                for intent in intents { try pool.repairRecord(of: intent.record) }
                store.completeSpares(of: intents)
            }
        } catch {
            logger.error("repair the pool's records of tasks", metadata: ["error": "\(error)"])
        }
    }

    /// Forgets removed tasks once the pool has.
    func finishRemovals() async {
        let removed = RemovedStates(configuration)
        do {
            try await blocking { try removed.forget() }
        } catch {
            logger.debug("forget removed tasks", metadata: ["error": "\(error)"])
        }
    }
}
