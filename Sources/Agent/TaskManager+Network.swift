import Layers
import Linux
import Logging
import Networks

/// The network of all tasks.
extension TaskManager {
    func prepareNetwork(with others: [TaskIntent]? = nil) async throws {
        if let preparation = networkPreparation { return try await preparation.value }
        let network = configuration.network
        let published = (others ?? []).flatMap { task in
            task.ports.compactMap { port in task.networkAddress.map { (port: port, task: $0) } }
        }
        let addresses = (others ?? []).compactMap { task in task.networkAddress.map { (id: task.id, address: $0) } }
        let logger = logger
        let preparation = Task {
            let obstacle = try await blocking { try network.prepare(published: published, tasks: addresses) }
            if let obstacle {
                logger.warning("tasks can send from each other's addresses", metadata: ["reason": "\(obstacle)"])
            }
            if let reason = TaskNetwork.connectionObstacle() {
                logger.warning(
                    "who sends to a published UDP port keeps its target when that changes", metadata: ["reason": "\(reason)"])
            }
        }
        networkPreparation = preparation
        do {
            try await preparation.value
        } catch {
            networkPreparation = nil
            throw error
        }
    }

    /// Puts right what others have undone of what all tasks share on the host: a firewall's reload, tools that manage networks or
    /// settings, another agent.
    func restoreHost() async {
        for change in HostPreparation.apply() { logger.warning("host: \(change)") }
        let network = configuration.network
        do {
            for part in try await blocking({ try network.restore() }) {
                logger.warning("somebody has changed \(part); it is put right", metadata: ["bridge": "\(network.bridge)"])
            }
        } catch {
            logger.error("put the network of tasks right", metadata: ["error": "\(error)"])
        }
    }
}
