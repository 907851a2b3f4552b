import AgentAPI
import Linux
import Networks
import Spec

/// How jobs are reached: the ports of the host that lead to their ready replicas, and the names that tasks know.
struct JobExposure: Sendable {
    /// A job and its replicas that serve.
    struct Service: Sendable {
        let job: String
        let publish: [PublishedPort]
        let replicas: [TaskStatus]
    }

    private struct Balance: Sendable, Equatable {
        let port: PublishedPort
        let replicas: [IPv4Address]
    }

    private let network: TaskNetwork
    private let hosts: HostsFile
    /// The tasks that were ready when last looked at, for the next agent.
    private let readyFile: String
    private var balances: [Balance]?
    private var names: [String: [IPv4Address]]?
    private var ready: Set<String>?
    /// What an earlier agent knew to be ready, until its health is known again.
    private var presumed: Set<String> = []

    init(_ configuration: AgentConfiguration) {
        network = configuration.network
        hosts = configuration.hosts
        readyFile = "\(configuration.runtimeDirectory)/ready"
    }

    mutating func recover() async {
        let file = readyFile
        let text = try? await blocking { try Files.readTextIfPresent(file) }
        presumed = Set((text ?? nil ?? "").split(separator: "\n").map(String.init))
    }

    /// A new agent must ask each task first; until then what its predecessor knew holds.
    ///
    /// - Parameter isChecked: whether it has health checks.
    func isReady(_ task: TaskStatus, isChecked: Bool) -> Bool {
        guard task.state == .running else { return false }
        guard isChecked else { return true }
        return task.health?.ready == true || task.health?.reason == nil && presumed.contains(task.id)
    }

    /// - Throws: what kept the ports from being changed; names are up to date nevertheless.
    mutating func update(_ services: [Service], _ tasks: [TaskStatus]) async throws {
        presumed = presumed.filter { id in
            tasks.contains { $0.id == id && $0.state == .running && $0.health?.ready != true && $0.health?.reason == nil }
        }
        try await updateNames(services, tasks)
        let ready = Set(services.flatMap(\.replicas).map(\.id))
        if ready != self.ready {
            let (file, text) = (readyFile, ready.sorted().joined(separator: "\n"))
            try await blocking { try Files.replace(file, with: text.utf8, durable: false) }
            self.ready = ready
        }
        let wanted = services.flatMap { service in
            service.publish.map { port in
                Balance(port: port, replicas: service.replicas.compactMap { $0.address.flatMap { IPv4Address($0) } }.sorted())
            }
        }.sorted { ($0.port.hostPort, $0.port.description) < ($1.port.hostPort, $1.port.description) }
        // Without ports there may be no table to change.
        guard wanted != balances, !(wanted.isEmpty && balances == nil) else { return }
        let (network, before) = (network, balances)
        balances = nil
        try await blocking {
            try network.balance(wanted.map { ($0.port, $0.replicas) }, before: before?.map { ($0.port, $0.replicas) })
        }
        balances = wanted
    }

    private mutating func updateNames(_ services: [Service], _ tasks: [TaskStatus]) async throws {
        var names: [String: [IPv4Address]] = [:]
        func add(_ name: String, _ task: TaskStatus) {
            if let address = task.address.flatMap({ IPv4Address($0) }) { names[name, default: []].append(address) }
        }
        for task in tasks where task.state == .running || task.state == .starting { add(task.name, task) }
        // A task of that very name is what its name says.
        for service in services where names[service.job] == nil {
            for replica in service.replicas { add(service.job, replica) }
        }
        guard names != self.names else { return }
        let hosts = hosts
        let entries = names.flatMap { name, addresses in addresses.map { (name: name, address: $0) } }
        self.names = nil
        try await blocking { try hosts.write(entries) }
        self.names = names
    }
}
