import AgentAPI
import Glibc
import Layers
import Linux
import Networks
import Spec
import TaskHelper

/// Turns a request into an intent, or refuses it: everything that can be known to be wrong is found here, before
/// anything is made.
struct TaskAdmission: Sendable {
    let configuration: AgentConfiguration
    /// The tasks there are.
    let others: [TaskIntent]
    /// Those of them that haven't ended: what is theirs is nobody else's.
    let reserving: [TaskIntent]
    let lastAddress: IPv4Address?
    var jobPorts: [(job: String, port: PublishedPort)] = []
    /// What the image's name stands for, when that has been decided before.
    var layer: LayerID?

    /// - Parameter id: nil for a new one.
    func admit(_ request: TaskRequest, id: String? = nil) throws -> TaskIntent {
        let pool = configuration.pool
        if let wanted = request.pool, Files.absolute(wanted) != pool.path, realPath(wanted) != pool.path {
            throw AgentError(
                .invalid,
                "this host's agent runs tasks on the pool '\(pool.path)', not on '\(wanted)'; leave --pool out, or start another agent for it: dishd --pool \(wanted)",
                field: "pool")
        }
        let layer = try TaskManager.naming("image") {
            try pool.resolve(self.layer?.hex ?? request.image)
        }
        let name = try name(request)
        let defaults = try ImageDefaults(root: pool.root(of: layer.id))
        var request = try defaults.complete(request)
        let account = try defaults.account(&request, root: pool.root(of: layer.id))
        _ = try TaskConfinement(request, hasAccount: account != nil)
        do throws(FieldFault) { try request.check() } catch { throw AgentError(error, in: "") }
        try RequestCheck(request).run()
        if request.command == nil,
            let (name, _) = request.environment.first(where: { "\($0)\($1)".utf8.contains(UInt8(ascii: "\n")) })
        {
            throw AgentError(
                .invalid,
                "the variable '\(name)' has a line break, which the init of a booted image can't be given; leave it out",
                field: "environment")
        }
        let ports = try ports(request)
        let volumes = try volumes(request)
        let notEnforced = try limits(request)
        let (mounts, bases) = try defaults.mounts(for: request)
        return TaskIntent(
            id: id ?? randomDigits(12), name: name, request: request, layer: layer.id, pool: pool.path,
            created: Int64(time(nil)), quotaGroup: try pool.hasQuotas() ? UInt64.random(in: 1..<(1 << 40)) : nil,
            userBase: request.userNamespace ? userBase() : nil, machineID: randomDigits(32),
            address: request.network == .private ? try address(ports).description : nil, notEnforced: notEnforced,
            mounts: mounts, allowedBases: bases, immutable: try defaults.immutable(), account: account, volumes: volumes,
            stopSignal: request.stopSignal.flatMap { Signal.number($0) } ?? defaults.stopSignal,
            boot: try ProcessIdentity.bootID())
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

    private func volumes(_ request: TaskRequest) throws -> [VolumeMount]? {
        if request.volumes.isEmpty { return nil }
        let mounts = request.volumes
        for (index, mount) in mounts.enumerated() {
            try TaskManager.naming("volumes[\(index)]") { try configuration.pool.checkUse(of: [mount], by: nil) }
        }
        try TaskManager.naming("volumes") { try configuration.pool.checkUse(of: mounts, by: nil) }
        return mounts
    }

    private func ports(_ request: TaskRequest) throws -> [PublishedPort] {
        let ports = request.publish
        if let first = ports.first, request.network != .private {
            throw AgentError(
                .invalid,
                "cannot publish \(first) with the network \(request.network.rawValue): only a private network has ports to publish",
                field: "publish[0]")
        }
        for (index, port) in ports.enumerated() {
            try TaskManager.naming("publish[\(index)]") { try check(port, ports[..<index]) }
        }
        return ports
    }

    private func check(_ port: PublishedPort, _ before: ArraySlice<PublishedPort>) throws {
        try configuration.network.requireFamily(of: port)
        if let other = before.first(where: { $0.conflicts(with: port) }) {
            throw AgentError(.invalid, "\(port) and \(other) want the same port of the host")
        }
        for task in others {
            if let taken = task.ports.first(where: { $0.conflicts(with: port) }) {
                throw AgentError(
                    .conflict,
                    "cannot publish \(port): port \(port.hostPort) is in use by the task '\(task.name)' (\(taken)); choose another, or remove that task"
                )
            }
        }
        if let taken = jobPorts.first(where: { $0.port.conflicts(with: port) }) {
            throw AgentError(
                .conflict,
                "cannot publish \(port): port \(port.hostPort) is in use by the job '\(taken.job)' (\(taken.port)); choose another"
            )
        }
        try configuration.network.requireAvailable(port)
        try configuration.network.requireAnswers(on: port)
    }

    /// Refuses limits that make no sense, that can't be enforced, and what doesn't fit; with `bestEffort` returns what is left out
    /// instead of enforced.
    func limits(_ request: TaskRequest) throws -> [String] {
        let host = try HostResources.current(configuration.pool)
        try LimitsCheck(request).run(cpus: host.cpus)
        let faults = host.unenforceable(request)
        let reasons = faults.map { "\(FieldName($0.path).spoken) \($0.reason)" }
        if !reasons.isEmpty, !request.bestEffort {
            throw AgentError(
                .unenforceable,
                "\(reasons.joined(separator: "; ")); leave it out, or ask for best effort to run without",
                field: "limits.\(faults[0].path)")
        }
        try host.ledger(reserving, configuration.resources).admit(request)
        return reasons
    }

    func address(_ ports: [PublishedPort]) throws -> IPv4Address {
        let used = Set(others.compactMap(\.networkAddress))
        guard let address = configuration.network.subnet.free(except: used, after: lastAddress) else {
            throw AgentError(
                .failed, "all addresses of \(configuration.network.subnet) are in use; remove tasks, or use --network host")
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

    private func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
