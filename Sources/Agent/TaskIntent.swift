import AgentAPI
import Layers
import Networks
import Spec
import TaskHelper

/// What a task shall be: written to its state directory before anything is done for it, not changed
/// afterwards but for its limits when somebody changes them, and its address when the agent's network does, and removed last of all.
struct TaskIntent: Sendable, Codable, Equatable {
    /// 12 hexadecimal digits.
    let id: String
    let name: String
    var request: TaskRequest
    let layer: LayerID
    /// Path of the pool.
    let pool: String
    /// Seconds since 1970.
    let created: Int64
    let quotaGroup: UInt64?
    /// First host id of its user namespace.
    let userBase: UInt32?
    /// systemd's identity inside.
    let machineID: String
    /// Dotted quad.
    var address: String?
    /// Limits left out, and why.
    var notEnforced: [String]
    /// What it sees at some paths instead of what the image has there.
    var mounts: [ImageConfiguration.Mount]?
    /// The paths of the host below which `mounts` were allowed, without symbolic links; nil in intents of agents that didn't note it.
    var allowedBases: [String]?
    /// Directories that it sees in its layer instead of in its root.
    var immutable: [String]?
    /// Whom its command runs as; nil for root, and where the runtime has to look a name up.
    var account: TaskAccount?
    /// Volumes that it sees.
    var volumes: [VolumeMount]?
    /// The number of what asks a command to end; nil for SIGTERM.
    var stopSignal: Int?
    /// The boot of the host it was made in; nil in intents of agents that didn't note it.
    var boot: String?
    /// Credentials that it sees; nil for none. Their content isn't here.
    var credentials: [TaskCredential]?
    /// Whether its limits were changed since it was made: its helper may not have heard of it yet.
    var isResized: Bool?

    var boots: Bool { request.command == nil }

    var networkAddress: IPv4Address? { address.flatMap { IPv4Address($0) } }

    /// The published ports, which were checked when the task was made.
    var ports: [PublishedPort] { request.publish }

    var record: TaskRecord {
        TaskRecord(id: id, name: name, image: request.image, layer: layer, quotaGroup: quotaGroup, volumes: volumes)
    }
}

/// A user of an image, found before the task starts.
struct TaskAccount: Sendable, Codable, Equatable {
    let identity: StartProgram.Identity
    /// The path inside of the command's program.
    let program: String
}
