import AgentAPI
import Btrfs
import Cgroups
import Layers
import Linux
import Spec
import TaskHelper

extension TaskLauncher {
    /// Has the limits of a task set: control groups by its helper, weights and protection by systemd where it has them, the
    /// quota of its disk.
    ///
    /// - Parameters:
    ///   - isRunning: whether it has a helper.
    ///   - before: what it had; nil when that isn't known.
    func setLimits(_ task: TaskIntent, isRunning: Bool, since before: TaskIntent?) async throws {
        let pool = configuration.pool
        let host = try await blocking { try HostResources.current(pool) }
        if isRunning {
            let limits = host.effective(task.request, configuration.resources)
            try await tellHelper(.limits(limits), of: task)
            let properties = HelperSpec.unitProperties(limits, everything: true)
            let known = before.map {
                HelperSpec.unitProperties(host.effective($0.request, configuration.resources), everything: true)
            }
            if host.cgroups.hasSystemd, properties != known, let systemctl = Executable.find("systemctl") {
                let result = try await Command(
                    systemctl, Arguments("set-property").flag("runtime").words("dish-\(task.id).service").words(properties)
                ).run()
                guard result.status.isSuccess else {
                    throw AgentError(.failed, "set the weights of task '\(task.name)': \(result.errorText)")
                }
            }
        }
        let disk = task.request.limits.disk
        guard host.hasQuotas, let number = task.quotaGroup, before == nil || before?.request.limits.disk != disk else { return }
        try await blocking { try pool.filesystem().limit(QuotaGroup(level: 1, number: number), to: disk) }
    }

    private func tellHelper(_ message: HelperMessage, of task: TaskIntent) async throws {
        let socket = configuration.helperSocket(of: task.id)
        let refusal: String? = try await blocking {
            let helper = try HelperConnection(socket, deadline: 2000)
            try helper.send(message)
            return helper.answer(within: 10_000) { answer in
                if case .limitsSet(let refusal) = answer { return refusal }
                return nil
            }
        }
        guard let refusal else {
            throw AgentError(
                .failed,
                "the helper of task '\(task.name)' didn't answer: it is of an older version, or has ended; restart the task: dish restart \(task.name)"
            )
        }
        if !refusal.isEmpty {
            throw AgentError(.conflict, "the limits of task '\(task.name)' stay as they are: \(refusal)")
        }
    }
}
