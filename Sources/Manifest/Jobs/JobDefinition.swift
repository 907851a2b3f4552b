public import Spec

/// A job as it is written.
public struct JobDefinition: Sendable, Equatable {
    public let name: Located<String>
    public var image: String
    /// `missing`, `always` or `never`.
    public var pull: String
    public var replicas: Int
    public var command: [String]?
    public var environment: [String: String]
    public var user: String?
    public var directory: String?
    /// `private`, `host` or `none`.
    public var network: String
    public var publish: [Located<String>]
    public var volumes: [String]
    public var allowedMounts: [String]
    public var secrets: [String]
    public var limits: Limits
    /// `guaranteed`, `burstable` or `best-effort`.
    public var `class`: String
    public var bestEffort: Bool
    public var userNamespace: Bool
    /// `default`, `confined` or `system`.
    public var security: String
    public var capabilities: JobCapabilities
    public var restart: JobRestart
    public var health: [JobHealthCheck]
    public var stop: JobStop
    public var update: JobUpdate
    public var dependsOn: [JobDependency]
    /// Seconds without a scheduler after which the replicas are stopped; nil: they run on.
    public var stopWithoutScheduler: Int?

    init(_ mapping: CheckedMapping) throws(ManifestError) {
        name = mapping.located("name") ?? Located("", at: mapping.place)
        image = mapping.text("image") ?? ""
        pull = mapping.text("pull") ?? "missing"
        replicas = mapping.number("replicas").map(Int.init) ?? 1
        if let node = mapping["command"] {
            let words = mapping.texts("command").map(\.value)
            guard !words.isEmpty else { throw node.fail("'command' is empty; name a program, or leave the key out") }
            command = words
        }
        environment = Dictionary(uniqueKeysWithValues: mapping.table("environment").map { ($0.name, $0.value.value) })
        user = mapping.text("user")
        directory = mapping.text("directory")
        network = mapping.text("network") ?? "private"
        publish = mapping.texts("publish")
        volumes = mapping.texts("volumes").map(\.value)
        allowedMounts = mapping.texts("allow_mounts").map(\.value)
        secrets = mapping.texts("secrets").map(\.value)
        limits = try mapping.settings("limits")
        `class` = mapping.text("class") ?? "burstable"
        bestEffort = mapping.isTrue("best_effort") ?? false
        userNamespace = mapping.isTrue("user_namespace") ?? true
        security = mapping.text("security") ?? "default"
        capabilities = JobCapabilities(try mapping.mapping("capabilities"))
        restart = JobRestart(try mapping.mapping("restart"))
        var checks: [JobHealthCheck] = []
        for entry in try mapping.mappings("health") { checks.append(try JobHealthCheck(entry)) }
        health = checks
        stop = JobStop(try mapping.mapping("stop"))
        update = JobUpdate(try mapping.mapping("update"))
        dependsOn = try mapping.mappings("depends_on").map(JobDependency.init)
        stopWithoutScheduler = try mapping.mapping("without_scheduler")?.seconds("stop_after")
        try checkUse()
    }

    /// What keys say together.
    private func checkUse() throws(ManifestError) {
        if let port = publish.first, network != "private" {
            throw ManifestError(
                port.place, "a job with the network '\(network)' has no ports to publish; only a private network has")
        }
        try requireDistinct(dependsOn.map(\.job)) { "the dependency on '\($0)'" }
        if let own = dependsOn.first(where: { $0.job == name }) {
            throw ManifestError(own.job.place, "the job '\(name.value)' depends on itself")
        }
    }
}
