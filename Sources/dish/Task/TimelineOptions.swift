import AgentAPI
import ArgumentParser
import Layers
import Linux

/// Whose past a command is about: a task, or another thing by an option.
struct TimelineOptions: ParsableArguments {
    @Option(help: "A volume, instead of a task.", completion: .volume)
    var volume: String?
    @Option(help: "The label of an image, instead of a task.", completion: .image)
    var image: String?
    @OptionGroup var pool: PoolOptions

    var namesNoTask: Bool { volume != nil || image != nil }

    func validate() throws {
        if volume != nil, image != nil { throw ValidationError("--volume and --image exclude each other.") }
    }

    /// - Parameter task: a name or id; nil where an option names something else.
    func open(_ task: String?) async throws -> (pool: Pool, timeline: Timeline, task: TaskStatus?) {
        let agent = try AgentClient.local(to: "look into what was")
        if let volume {
            let pool = try pool.open()
            return (pool, .volume(try pool.volume(volume).name), nil)
        }
        if let image { return (try pool.openToRead(), .image(image), nil) }
        guard let task else { throw ValidationError("Name a task, or --volume NAME, or --image LABEL.") }
        let status = try await agent.task(task)
        let pool = try Pool(at: status.pool).holdingLayersToRead()
        guard let record = try pool.allTasks().first(where: { $0.id == status.id }) else {
            throw PoolError(
                .unknownImage, "the task '\(status.name)' has no root file system in the pool at '\(status.pool)'")
        }
        return (pool, .task(record), status)
    }
}
