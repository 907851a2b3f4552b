import AgentAPI
import Layers
import Linux
import Networks
import Spec
import TaskHelper

/// What is told of tasks.
extension TaskManager {
    func status(of id: String) -> TaskStatus? { tasks[id].map(describe) }

    /// What is told of a task that came and went while a request was under way.
    func gone(_ intent: TaskIntent) -> TaskStatus {
        describe(ManagedTask(intent: intent, machine: TaskMachine(.alive(nil), removesWhenDone: true)))
    }

    func describe(_ task: ManagedTask) -> TaskStatus {
        let (intent, machine) = (task.intent, task.machine)
        let exit = machine.exit.map { record in
            switch record.status {
            case .code(let code): TaskStatus.Exit(code: Int(code), signal: nil, outOfMemory: record.outOfMemory, at: record.at)
            case .signal(let signal):
                TaskStatus.Exit(code: nil, signal: Int(signal), outOfMemory: record.outOfMemory, at: record.at)
            }
        }
        let processes = machine.record.map {
            TaskStatus.Processes(
                helper: Int($0.helper.pid), runtime: Int($0.runtime.pid), leader: $0.leader.map { Int($0.pid) })
        }
        var status = TaskStatus(
            id: intent.id, name: intent.name, image: intent.request.image, layer: intent.layer.hex, pool: intent.pool,
            state: machine.visible, reason: machine.reason, created: intent.created, exit: exit, processes: processes,
            address: intent.address, network: intent.request.network, publish: intent.request.publish,
            volumes: intent.request.volumes,
            command: intent.request.command, limits: intent.request.limits, notEnforced: intent.notEnforced,
            userBase: intent.userBase,
            paths: TaskStatus.Paths(
                root: "\(configuration.pool.directory(ofTask: intent.id))/rootfs", log: launcher.log(of: intent.id),
                helper: configuration.helperSocket(of: intent.id), cgroups: machine.record?.cgroups ?? [],
                state: configuration.state(of: intent.id)))
        status.restarts = machine.run.history.count
        status.health = task.health?.health
        status.owner = intent.request.owner
        status.class = intent.request.class
        status.address6 = intent.networkAddress.flatMap { configuration.network.ipv6(of: $0) }?.description
        status.generation = machine.run.generation
        status.security = intent.request.security
        status.capabilities = try? TaskConfinement(intent.request, hasAccount: intent.account != nil).capabilities.sorted()
        status.secrets = intent.credentials?.map(\.name)
        return status
    }
}
