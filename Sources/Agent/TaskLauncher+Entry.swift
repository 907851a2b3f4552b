import AgentAPI
import Layers
import Linux
import Seccomp
import Spec
import TaskAccess

/// What those need who enter a task: health checks, `dish exec` and its kin.
extension TaskLauncher {
    func entryFiles(of id: String) -> EntryFiles { EntryFiles(in: configuration.runtime(of: id)) }

    /// Writes what holds the task's own processes for those that join them.
    func writeEntryFiles(of task: TaskIntent) throws {
        let confinement = try TaskConfinement(task.request, hasAccount: task.account != nil)
        try Files.makeDirectories(configuration.runtime(of: task.id), mode: 0o700)
        try entryFiles(of: task.id).write(
            filter(confinement), .init(named: confinement.allowedToFiles, gainsNothing: confinement.gainsNothing),
            environment: task.request.environment, workingDirectory: task.boots ? nil : task.request.directory)
    }

    /// For a task that an agent started which left none.
    func completeEntryFiles(of task: TaskIntent) throws {
        if !entryFiles(of: task.id).areComplete { try writeEntryFiles(of: task) }
    }

    /// Made once for all tasks that may do the same: that takes a few milliseconds.
    private func filter(_ confinement: TaskConfinement) throws -> SystemCallFilter {
        let key = "\(SystemCallFilter.version) \(confinement.capabilities.sorted()) \(confinement.refusedCalls)"
        let folder = "\(configuration.runtimeDirectory)/filters"
        let path = "\(folder)/\(hexadecimal(ContentHash.bytes(key.utf8)))"
        if let content = try? Files.read(path), let filter = SystemCallFilter(content: content) { return filter }
        let filter = try SystemCallFilter(capabilities: confinement.capabilities, refused: confinement.refusedCalls)
        try Files.makeDirectories(folder, mode: 0o700)
        try Files.replace(path, with: filter.content, mode: 0o600, durable: false)
        return filter
    }
}
