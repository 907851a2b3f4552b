import Spec
import Synchronization

/// The published ports that the tables of a bridge shall have: they are made again of it where somebody has removed them.
final class WantedRules: Sendable {
    struct Ports: Sendable {
        var published: [PublishedPort: IPv4Address] = [:]
        var balanced: [(port: PublishedPort, tasks: [IPv4Address])] = []
    }

    static let shared = WantedRules()

    private let bridges = Mutex<[String: Ports]>([:])

    /// Nil for a bridge that isn't prepared, or has been removed.
    subscript(bridge: String) -> Ports? {
        get { bridges.withLock { $0[bridge] } }
        set { bridges.withLock { $0[bridge] = newValue } }
    }

    /// Changes what a bridge shall have that is prepared.
    func change(_ bridge: String, _ body: (inout Ports) -> Void) {
        bridges.withLock { bridges in
            guard var ports = bridges[bridge] else { return }
            body(&ports)
            bridges[bridge] = ports
        }
    }
}
