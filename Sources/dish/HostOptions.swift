import AgentAPI
import ArgumentParser
import Glibc
import Layers
import Linux

enum AgentVersion {
    static let text = AgentDefaults.version
}

/// Which pool a command works on.
struct PoolOptions: ParsableArguments {
    @Option(name: .long, help: "The pool's path (default: $DISH_POOL, then the first pool made).")
    var pool: String?

    /// The pool asked for, or nil for the default.
    var requested: String? { pool ?? environmentVariable("DISH_POOL") }

    func open() throws -> Pool {
        let registry = PoolRegistry.host
        return try registry.open(requested ?? registry.defaultPath())
    }

    /// The pool for a command that makes or needs layers: none that it has found is removed while it runs.
    func openHolding() throws -> Pool { try open().holdingLayers() }

    /// The pool for a command that only reads layers, also where it is full.
    func openToRead() throws -> Pool { try open().holdingLayersToRead() }
}

struct JSONOption: ParsableArguments {
    @Flag(help: "Print JSON.")
    var json = false
}

extension PoolRegistry {
    static var host: PoolRegistry {
        PoolRegistry(stateDirectory: hostStateDirectory)
    }
}

extension AgentClient {
    /// The agent that is meant: `$DISH_HOST` (`dish --host`) names one elsewhere; of this host's, `$DISH_RUN_DIR` moves the socket.
    static var host: AgentClient {
        get throws {
            if let remote = try RemoteOptions.remote() { return AgentClient(remote) }
            return ofThisHost
        }
    }

    /// This host's, for what is done in its tasks' namespaces and files.
    ///
    /// - Parameter purpose: what can't be done elsewhere: `run a command in a task`.
    static func local(to purpose: String) throws -> AgentClient {
        if let host = environmentVariable(RemoteOptions.host) {
            throw AgentError(
                .invalid,
                "cannot \(purpose) over the API of \(host): it is done on the host itself; run dish there, or use ssh \(host)")
        }
        return ofThisHost
    }

    private static var ofThisHost: AgentClient {
        let directory = environmentVariable("DISH_RUN_DIR") ?? AgentDefaults.runtimeDirectory
        return AgentClient(socket: AgentDefaults.socket(in: directory))
    }
}

/// Where this host's agent keeps its state.
var hostStateDirectory: String { environmentVariable("DISH_STATE_DIR") ?? AgentDefaults.stateDirectory }

func environmentVariable(_ name: String) -> String? {
    guard let value = getenv(name).map({ String(cString: $0) }), !value.isEmpty else { return nil }
    return value
}

/// Refuses early and clearly what would fail somewhere in the middle.
func requireRoot(to purpose: String) throws {
    guard geteuid() == 0 else {
        throw PoolError(.notPrivileged, "cannot \(purpose) as user \(geteuid()): it needs root; try again with sudo")
    }
}
