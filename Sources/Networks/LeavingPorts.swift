import Glibc
import Linux
import Synchronization

/// Ports whose elements are yet to be removed from the sets. To remove one waits for a grace period of the kernel, some 20 ms: a
/// thread does it for all that wait, and no end of a task waits for it. What a killed agent leaves goes with the next one's start.
final class LeavingPorts: Sendable {
    private struct Leaving: Sendable {
        let bridge: PortGuard
        let port: PortGuard.Port
    }

    private struct State {
        var waiting: [String: Leaving] = [:]
        var removing: Set<String> = []
        var isRunning = false
    }

    static let shared = LeavingPorts()

    private let state = Mutex(State())
    /// At once; the kernel's answers must have room.
    private static let most = 50

    /// Has a port's elements removed before long.
    func add(_ port: PortGuard.Port, of bridge: PortGuard) {
        let starts = state.withLock { state in
            state.waiting[Self.key(port, bridge)] = Leaving(bridge: bridge, port: port)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard starts else { return }
        do {
            try startThread { self.run() }
        } catch {
            run()
        }
    }

    /// Takes a port back that comes again. Returns once nobody removes its elements.
    func keep(_ port: PortGuard.Port, of bridge: PortGuard) {
        let key = Self.key(port, bridge)
        while true {
            let isRemoved = state.withLock { state in
                state.waiting[key] = nil
                return state.removing.contains(key)
            }
            guard isRemoved else { return }
            usleep(1000)
        }
    }

    private func run() {
        while true {
            let batch = state.withLock { state in
                let batch = Dictionary(uniqueKeysWithValues: state.waiting.prefix(Self.most).map { ($0.key, $0.value) })
                for key in batch.keys { state.waiting[key] = nil }
                state.removing = Set(batch.keys)
                state.isRunning = !batch.isEmpty
                return batch
            }
            if batch.isEmpty { return }
            let elements = batch.values.map { $0.bridge.elements(of: $0.port) }
            do {
                try NetfilterTables.change(.remove, Array(elements.joined()))
            } catch {
                // One that isn't there keeps the others.
                for each in elements { try? NetfilterTables.change(.remove, each) }
            }
        }
    }

    private static func key(_ port: PortGuard.Port, _ bridge: PortGuard) -> String {
        "\(bridge.bridge) \(port.link) \(port.address)"
    }
}
