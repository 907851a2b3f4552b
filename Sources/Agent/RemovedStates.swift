import Btrfs
import Glibc
import Layers
import Linux

/// State directories of tasks that were removed, in `<state>/removed`: they go when the pool has forgotten the task durably.
///
/// State and pool are two file systems, and after a power cut one may remember what the other has forgotten. What is here is
/// removed from the pool once more by the next agent.
struct RemovedStates: Sendable {
    private let configuration: AgentConfiguration
    private let directory: String

    init(_ configuration: AgentConfiguration) {
        self.configuration = configuration
        directory = "\(configuration.stateDirectory)/removed"
    }

    /// Takes over the state directory of a task; one that is gone is no error.
    func take(_ id: String) throws {
        try Files.makeDirectories(directory, mode: 0o700)
        try Files.removeTree("\(directory)/\(id)")
        // What is kept is for finding the task in the pool; its secrets aren't needed for that.
        try Files.removeTree("\(configuration.state(of: id))/secrets")
        guard rename(configuration.state(of: id), "\(directory)/\(id)") == 0 || errno == ENOENT else {
            throw SystemError("remove", configuration.state(of: id))
        }
    }

    /// Removes what a power cut has brought back in the pool.
    func repeatRemovals() throws {
        var failure: (any Error)?
        for id in list() {
            guard let intent = try? StateFile.read(TaskIntent.self, "\(directory)/\(id)/task.json") else { continue }
            do {
                try configuration.pool.removeTask(intent.record, isRepeated: false)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// Forgets them, after everything that was done to the pool before is on disk. What is still in the pool, because it could not be
    /// written to, is removed first.
    func forget() throws {
        let ids = list().filter(isGone)
        if ids.isEmpty { return }
        try configuration.pool.filesystem().commit()
        for id in ids { try Files.removeTree("\(directory)/\(id)") }
    }

    private func isGone(_ id: String) -> Bool {
        let left = configuration.pool.directory(ofTask: id)
        if Files.exists(left), let intent = try? StateFile.read(TaskIntent.self, "\(directory)/\(id)/task.json") {
            _ = try? configuration.pool.removeTask(intent.record, isRepeated: false)
            return !Files.exists(left)
        }
        return true
    }

    private func list() -> [String] { (try? Files.list(directory)) ?? [] }
}
