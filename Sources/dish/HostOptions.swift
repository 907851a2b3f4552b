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
    /// The agent of this host: `$DISH_RUN_DIR` moves its socket.
    static var host: AgentClient {
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
