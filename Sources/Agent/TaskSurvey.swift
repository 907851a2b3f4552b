import AgentAPI
import Glibc
import Layers
import Linux
import Networks
import Spec
import TaskHelper

/// What a request becomes on this host, whatever the other tasks: the pool, the image and the host are read for it. Everything that is
/// wrong by itself is found here, before anything is made. It may take its time: it is made off the agent's actors.
struct TaskSurvey: Sendable {
    /// With all that it leaves to the image filled in.
    let request: TaskRequest
    let layer: LayerID
    let host: HostResources
    /// The limits that are left out, for a request that takes them as they come.
    let notEnforced: [String]
    /// Whether the pool counts what tasks write.
    let hasQuotas: Bool
    let mounts: [ImageConfiguration.Mount]
    let bases: [String]
    let immutable: [String]?
    let account: TaskAccount?
    let stopSignal: Int?
    let boot: String

    /// - Parameter layer: what the image's name stands for, when that has been decided before.
    init(_ given: TaskRequest, layer known: LayerID?, _ configuration: AgentConfiguration) throws {
        let pool = configuration.pool
        if let wanted = given.pool, Files.absolute(wanted) != pool.path, Self.realPath(wanted) != pool.path {
            throw AgentError(
                .invalid,
                "this host's agent runs tasks on the pool '\(pool.path)', not on '\(wanted)'; leave the pool out, or start another agent for it: dishd --pool \(wanted)",
                field: "pool")
        }
        layer = try TaskManager.naming("image") {
            let layer = try pool.resolve(known?.hex ?? given.image).id
            try pool.requireWhole(layer)
            return layer
        }
        let root = pool.root(of: layer)
        let defaults = try ImageDefaults(root: root)
        var request = try defaults.complete(given)
        account = try defaults.account(&request, root: root)
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
        try Self.checkPorts(request, configuration)
        try Self.checkVolumes(request, pool)
        host = try HostResources.current(pool)
        notEnforced = try host.notEnforced(request)
        hasQuotas = try pool.hasQuotas()
        (mounts, bases) = try defaults.mounts(for: request)
        immutable = try defaults.immutable()
        stopSignal = request.stopSignal.flatMap { Signal.number($0) } ?? defaults.stopSignal
        boot = try ProcessIdentity.bootID()
        self.request = request
    }

    private static func checkVolumes(_ request: TaskRequest, _ pool: Pool) throws {
        let mounts = request.volumes
        for (index, mount) in mounts.enumerated() {
            try TaskManager.naming("volumes[\(index)]") { try pool.checkUse(of: [mount], by: nil) }
        }
        if !mounts.isEmpty { try TaskManager.naming("volumes") { try pool.checkUse(of: mounts, by: nil) } }
    }

    /// Refuses ports that this host can't give anybody, and that a program of the host has.
    private static func checkPorts(_ request: TaskRequest, _ configuration: AgentConfiguration) throws {
        let (ports, network) = (request.publish, configuration.network)
        if let first = ports.first, request.network != .private {
            throw AgentError(
                .invalid,
                "cannot publish \(first) with the network \(request.network.rawValue): only a private network has ports to publish",
                field: "publish[0]")
        }
        for (index, port) in ports.enumerated() {
            try TaskManager.naming("publish[\(index)]") {
                try network.requireFamily(of: port)
                if let other = ports[..<index].first(where: { $0.conflicts(with: port) }) {
                    throw AgentError(.invalid, "\(port) and \(other) want the same port of the host")
                }
                try network.requireAvailable(port)
                try network.requireAnswers(on: port)
            }
        }
    }

    private static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}

extension HostResources {
    /// Refuses limits that make no sense, and those that can't be enforced.
    ///
    /// - Returns: the limits that are left out instead of enforced, where the request takes them as they come.
    func notEnforced(_ request: TaskRequest) throws -> [String] {
        try LimitsCheck(request).run(cpus: cpus)
        let faults = unenforceable(request)
        let reasons = faults.map { "\(FieldName($0.path).spoken) \($0.reason)" }
        if !reasons.isEmpty, !request.bestEffort {
            throw AgentError(
                .unenforceable,
                "\(reasons.joined(separator: "; ")); leave it out, or ask for best effort to run without",
                field: "limits.\(faults[0].path)")
        }
        return reasons
    }
}
