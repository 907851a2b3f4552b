import AgentAPI
import Glibc
import Layers
import Linux

/// What an image says of its tasks, where a request says nothing.
struct ImageDefaults: Sendable {
    private let configuration: ImageConfiguration
    private let hasInit: Bool

    /// - Parameter root: of the layer.
    init(root: String) throws {
        configuration = try ImageConfiguration.read(root: root)
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        hasInit = ["sbin/init", "usr/sbin/init"].contains { directory.contains($0) }
    }

    /// A request with all that it leaves to the image filled in.
    ///
    /// - Throws: `AgentError` when nothing says what to run.
    func complete(_ given: TaskRequest) throws -> TaskRequest {
        var request = given
        request.environment = configuration.environment.merging(given.environment) { $1 }
        if request.command == nil, !hasInit || configuration.entrypoint != nil {
            guard !configuration.commandLine.isEmpty else {
                throw AgentError(
                    .invalid,
                    "the image \(given.image) has no init (/sbin/init) to boot and no command of its own; give one: dish run \(given.image) -- COMMAND"
                )
            }
            request.command = configuration.commandLine
        }
        guard request.command != nil else {
            request.attach = false
            return request
        }
        request.user = given.user ?? configuration.user
        request.directory = given.directory ?? configuration.directory
        return request
    }

    /// What asks a command to end; nil for SIGTERM.
    var stopSignal: Int? { configuration.stopSignal.flatMap { Self.signals[$0] } }

    private static let signals = [
        "SIGTERM": Int(SIGTERM), "SIGINT": Int(SIGINT), "SIGQUIT": Int(SIGQUIT), "SIGHUP": Int(SIGHUP),
        "SIGUSR1": Int(SIGUSR1), "SIGUSR2": Int(SIGUSR2), "SIGWINCH": Int(SIGWINCH), "SIGKILL": Int(SIGKILL),
    ]

    /// The image's mounts.
    ///
    /// - Throws: `AgentError` for a path of the host that isn't there.
    func mounts(of image: String) throws -> [ImageConfiguration.Mount] {
        for mount in configuration.mounts {
            if let host = mount.host, !Files.exists(host) {
                throw AgentError(
                    .invalid,
                    "the image \(image) mounts this host's '\(host)' at '\(mount.path)', and there is no such path; make it, or build the image without that mount"
                )
            }
        }
        return configuration.mounts
    }
}
