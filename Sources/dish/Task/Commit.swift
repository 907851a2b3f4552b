import AgentAPI
import ArgumentParser
import Layers
import Linux
import Registry

struct CommitTask: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "commit", abstract: "Make an image of a task's root file system.",
        discussion: """
            A running task goes on; stop it first when its files must be at rest. Subvolumes that it made inside become directories.
            What it made for itself at its first boot isn't in the image: what first-boot units make, such as keys, the machine's id, the
            seed of random numbers. What is booted from the image makes its own.

            Example:
              dish commit web web:debugged
            """)

    @Argument(help: "The task's name or id.", completion: .task)
    var task: String
    @Argument(help: "The image's name; an image that has it loses it.")
    var name: String
    @OptionGroup var json: JSONOption

    func run() async throws {
        try requireRoot(to: "make images")
        let status = try await AgentClient.local(to: "make an image of a task").task(task)
        let name = name
        try SignaturePolicy().checkName(name)
        let (pool, layer, leftOut) = try await blocking {
            let pool = try Pool(at: status.pool)
            guard let record = try pool.allTasks().first(where: { $0.id == status.id }) else {
                throw PoolError(
                    .unknownImage, "the task '\(status.name)' has no root file system in the pool at '\(status.pool)'")
            }
            let (layer, leftOut) = try pool.commit(record, as: name)
            return (pool, layer, leftOut)
        }
        if let others = try pool.tree(of: layer.id).filesOfOthers() { print(printable("warning: \(others)"), to: .errors) }
        if !leftOut.isEmpty { print(printable("\(leftOut)"), to: .errors) }
        if json.json { return try printJSON(ImageList.Row(layer, names: pool.allNames())) }
        print(layer.id.hex, to: .output)
    }
}
