import AgentAPI
import Logging
import Spec
import TaskHelper

/// Health checks of the tasks that run.
extension TaskManager {
    /// Begins to ask a task that has come up, ends it for one that doesn't run any more.
    func watchHealth(_ id: String) {
        guard let task = tasks[id] else { return }
        guard task.machine.visible == .running else {
            task.health?.cancel()
            tasks[id]?.health = nil
            return
        }
        guard task.health == nil, !task.intent.request.health.isEmpty, let record = task.machine.record,
            let leader = record.leader
        else { return }
        let checked = CheckedTask(
            id: id, name: task.intent.name, network: task.intent.request.network, address: task.intent.networkAddress,
            leader: leader, cgroups: record.cgroups, files: launcher.entryFiles(of: id),
            environment: task.intent.request.environment)
        let generation = task.generation
        tasks[id]?.health = HealthWatch(task.intent.request.health, of: checked, slots: probeSlots) {
            [weak self] health, isChange, fatal in
            await self?.heard(health, isChange, fatal, of: id, generation)
        }
    }

    private func heard(_ health: TaskHealth, _ isChange: Bool, _ fatal: String?, of id: String, _ generation: Int) async {
        guard let task = tasks[id], task.generation == generation, task.machine.visible == .running else { return }
        if isChange {
            let what = fatal != nil ? "unhealthy" : health.ready ? "ready" : "not ready"
            events.record(
                .task, task.intent.name, id: id, what, reason: fatal ?? health.reason ?? "its health checks succeed",
                isOwnDoing: true)
            changes.signal()
        }
        guard let fatal else { return }
        do {
            try await handle(.unhealthy(fatal, seconds: 30), id)
        } catch {
            logger.error("replace an unhealthy task", metadata: ["task": "\(task.intent.name)", "error": "\(error)"])
        }
    }
}
