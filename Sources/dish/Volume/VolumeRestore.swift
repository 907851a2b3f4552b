import AgentAPI
import ArgumentParser
import Layers
import Linux

struct VolumeRestore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Make a volume's data what it was in a snapshot.",
        discussion: """
            What is there now is kept as another snapshot, whose name is printed. Tasks that have the volume must be stopped; they see what was
            restored when they start again.

            Examples:
              dish volume restore data monday
              dish volume restore data monday --discard
            """)

    @Argument(help: "The volume.", completion: .volume)
    var name: String
    @Argument(help: "The snapshot.")
    var snapshot: String
    @Flag(help: "Don't keep what is there now: for a volume that is full.")
    var discard = false
    @OptionGroup var pool: PoolOptions

    func run() async throws {
        try requireRoot(to: "restore volumes")
        let pool = try pool.open()
        try pool.emptyStaging()
        let ended = await endedTasks()
        let state = hostStateDirectory
        let kept = try pool.restoreVolume(name, to: snapshot, keepsData: !discard) { task in
            // A task's helper holds this lock from its first moment to its last.
            !ended.contains(task.id) || FileLock.isHeld("\(state)/tasks/\(task.id)/lock")
        }
        if let kept { print("\(name)@\(kept.name)", to: .output) }
    }

    /// Those that the agent says have ended; none when it can't be asked: then tasks count as running.
    private func endedTasks() async -> Set<String> {
        guard let tasks = try? await AgentClient.local(to: "restore a volume").tasks() else { return [] }
        return Set(tasks.filter(\.state.hasEnded).map(\.id))
    }
}
