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
            guard let obstacle else { return }
            logger.warning("tasks can send from each other's addresses", metadata: ["reason": "\(obstacle)"])
        }
        networkPreparation = preparation
        do {
            try await preparation.value
        } catch {
            networkPreparation = nil
            throw error
        }
    }

    /// Ties the tasks to their addresses again where a firewall's reload has removed the rules.
    func restoreGuard() async {
        let network = configuration.network
        do {
            guard try await blocking({ try network.restoreGuard() }) else { return }
            logger.warning(
                "the rules that tie tasks to their addresses were removed, and are put back",
                metadata: ["bridge": "\(network.bridge)"])
        } catch {
            logger.error("put back the rules that tie tasks to their addresses", metadata: ["error": "\(error)"])
        }
    }
}
