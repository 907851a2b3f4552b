import Glibc
import Linux
import Synchronization

/// The ports that the sets' elements are for: those there are, and those whose elements are yet to be removed.
///
/// To remove an element waits for a grace period of the kernel, some 20 ms: a thread does it for all that wait, and no end of a
/// task waits for it. What a killed agent leaves goes with the next one's start.
final class GuardedPorts: Sendable {
    /// A link has one port at a time, whichever addresses its runs have.
    private struct Key: Hashable, Sendable {
        let bridge: String
        let link: String

        init(_ port: PortGuard.Port, _ bridge: PortGuard) {
            self.bridge = bridge.bridge
            link = port.link
        }
    }

    private struct Leaving: Hashable, Sendable {
        let bridge: PortGuard
        let port: PortGuard.Port
    }

    private struct State {
        var present: [Key: PortGuard.Port] = [:]
        var leaving: Set<Leaving> = []
        var removing: Set<Key> = []
        var isRunning = false
    }

    static let shared = GuardedPorts()

    private let state = Mutex(State())
    /// Held while tables are made and while elements are removed.
    private let tables = Mutex(())
    /// At once; the kernel's answers must have room.
    private static let most = 50

    /// The ports of a bridge, in no order.
    func ports(of bridge: PortGuard) -> [PortGuard.Port] {
        state.withLock { state in state.present.filter { $0.key.bridge == bridge.bridge }.map(\.value) }
    }

    /// Makes these a bridge's ports. Nothing is left to be removed: `withTables`, the caller flushes the sets.
    func replace(with ports: [PortGuard.Port], of bridge: PortGuard) {
        state.withLock { state in
            state.present = state.present.filter { $0.key.bridge != bridge.bridge }
            state.leaving = state.leaving.filter { $0.bridge.bridge != bridge.bridge }
            for port in ports { state.present[Key(port, bridge)] = port }
        }
    }

    /// Runs a body while nobody else makes tables or removes elements.
    func withTables<Result: Sendable>(_ body: () throws -> Result) throws -> Result {
        try tables.withLock { _ in try body() }
    }

    /// Takes in a port, or takes it back. Returns once nobody removes elements of its link; what is left to be removed of its
    /// link later leaves this port's elements.
    func keep(_ port: PortGuard.Port, of bridge: PortGuard) {
        let key = Key(port, bridge)
        while true {
            let isKept = state.withLock { state in
                if state.removing.contains(key) { return false }
                state.present[key] = port
                state.leaving.remove(Leaving(bridge: bridge, port: port))
                return true
            }
            if isKept { return }
            usleep(1000)
        }
    }

    /// Has a port's elements removed before long.
    func forget(_ port: PortGuard.Port, of bridge: PortGuard) {
        let starts = state.withLock { state in
            if state.present[Key(port, bridge)] == port { state.present[Key(port, bridge)] = nil }
            state.leaving.insert(Leaving(bridge: bridge, port: port))
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

    private func run() {
        while tables.withLock({ _ in removeSome() }) {}
    }

    /// - Returns: false when nothing is left.
    private func removeSome() -> Bool {
        let elements: [[NetfilterTables.Element]]? = state.withLock { state in
            let batch = Array(state.leaving.prefix(Self.most))
            state.leaving.subtract(batch)
            state.removing = Set(batch.map { Key($0.port, $0.bridge) })
            state.isRunning = !batch.isEmpty
            if batch.isEmpty { return nil }
            return batch.map { one in
                let kept = state.present[Key(one.port, one.bridge)].map { Set(one.bridge.elements(of: $0)) } ?? []
                return one.bridge.elements(of: one.port).filter { !kept.contains($0) }
            }
        }
        guard let elements else { return false }
        let all = Array(Set(elements.joined()))
        do {
            if !all.isEmpty { try NetfilterTables.change(.remove, all) }
        } catch {
            // One that isn't there keeps the others.
            for each in elements { try? NetfilterTables.change(.remove, each) }
        }
        return true
    }
}
