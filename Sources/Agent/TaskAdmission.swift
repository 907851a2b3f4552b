import AgentAPI
import Glibc
import Layers
import Linux
import Networks
import Spec
import TaskHelper

/// Turns a surveyed request into an intent, or refuses it for what other tasks and jobs have. It reads nothing: what it decides is
/// so for the tasks there are now.
struct TaskAdmission: Sendable {
    let configuration: AgentConfiguration
    /// The tasks there are.
    let others: [TaskIntent]
    /// Those of them that haven't ended: what is theirs is nobody else's.
    let reserving: [TaskIntent]
    let lastAddress: IPv4Address?
    var jobPorts: [(job: String, port: PublishedPort)] = []

    /// - Parameter id: nil for a new one.
    func admit(_ survey: TaskSurvey, id: String? = nil) throws -> TaskIntent {
        let request = survey.request
        let name = try name(request)
        try checkPorts(request)
        try reserve(request, on: survey.host)
        return TaskIntent(
            id: id ?? randomDigits(12), name: name, request: request, layer: survey.layer, pool: configuration.pool.path,
            created: Int64(time(nil)), quotaGroup: survey.hasQuotas ? UInt64.random(in: 1..<(1 << 40)) : nil,
            userBase: request.userNamespace ? userBase() : nil, machineID: randomDigits(32),
            address: request.network == .private ? try address(request.publish).description : nil,
            notEnforced: survey.notEnforced, mounts: survey.mounts, allowedBases: survey.bases, immutable: survey.immutable,
            account: survey.account, volumes: request.volumes.isEmpty ? nil : request.volumes, stopSignal: survey.stopSignal,
            boot: survey.boot)
    }

    private func name(_ request: TaskRequest) throws -> String {
        if let name = request.name {
            guard Names.isTask(name) else {
                throw AgentError(
                    .invalid,
                    "'\(name)' can't be a task's name: use letters, digits and dashes, 63 at most, not a dash first or last",
                    field: "name")
            }
            if others.contains(where: { $0.name == name }) {
                throw AgentError(
                    .conflict, "there is a task '\(name)' already; choose another name, or remove it: dish rm \(name)",
                    field: "name")
            }
            return name
        }
        // After the target: "//web:app" gives "app-3f2a".
        let base = request.image.split(separator: ":").last.map(String.init) ?? request.image
        let stem = Names.isTask(base) && base.utf8.count <= 40 ? base : "task"
        while true {
            let name = "\(stem)-\(randomDigits(6))"
            if !others.contains(where: { $0.name == name }) { return name }
        }
    }

    /// Refuses ports of the host that another task or a job has.
    func checkPorts(_ request: TaskRequest) throws {
        for (index, port) in request.publish.enumerated() {
            let task = others.lazy.compactMap { task in
                task.ports.first { $0.conflicts(with: port) }
                    .map { "the task '\(task.name)' (\($0)); choose another, or remove that task" }
            }.first
            let job = jobPorts.first { $0.port.conflicts(with: port) }.map { "the job '\($0.job)' (\($0.port)); choose another" }
            guard let taken = task ?? job else { continue }
            throw AgentError(
                .conflict, "cannot publish \(port): port \(port.hostPort) is in use by \(taken)",
                field: "publish[\(index)]")
        }
    }

    /// Refuses what doesn't fit beside what others were promised.
    func reserve(_ request: TaskRequest, on host: HostResources) throws {
        try host.ledger(reserving, configuration.resources).admit(request)
    }

    func address(_ ports: [PublishedPort]) throws -> IPv4Address {
        let used = Set(others.compactMap(\.networkAddress))
        guard let address = configuration.network.subnet.free(except: used, after: lastAddress) else {
            throw AgentError(
                .failed, "all addresses of \(configuration.network.subnet) are in use; remove tasks, or use the host's network",
                field: "network")
        }
        return address
    }

    /// 65,536 host ids that no other task has, between the ids of people and those of builds.
    private func userBase() -> UInt32 {
        let used = Set(others.compactMap(\.userBase))
        while true {
            let base = UInt32.random(in: 8..<24576) << 16
            if !used.contains(base) { return base }
        }
    }

    private func randomDigits(_ count: Int) -> String {
        hexadecimal((0..<count / 2).map { _ in UInt8.random(in: 0...255) })
    }
}
