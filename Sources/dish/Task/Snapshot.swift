import AgentAPI
import ArgumentParser

struct SnapshotTask: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot", abstract: "Keep what is in a task's root file system now.",
        discussion: """
            It takes no time and no space until the task changes something. The task goes on; volumes have snapshots of their own.

            Examples:
              dish snapshot web before-upgrade
              dish rollback web before-upgrade
              dish snapshot --remove web before-upgrade
            """)

    @Argument(help: "The task's name or id.", completion: .task)
    var task: String
    @Argument(help: "The snapshot's name (default: the time).")
    var name: String?
    @Flag(help: "Remove the snapshot of that name.")
    var remove = false

    func validate() throws {
        if remove, name == nil { throw ValidationError("--remove needs the snapshot's name; see: dish history \(task)") }
    }

    func run() async throws {
        let agent = try AgentClient.host
        if remove, let name {
            try await agent.removeSnapshot(name, of: task)
            return print(name, to: .output)
        }
        let made = try await agent.snapshot(task, as: name)
        for path in made.missing ?? [] {
            print(
                printable("dish: not in the snapshot: the subvolume '\(path)' that was made inside the task"), to: .errors)
        }
        print(made.name, to: .output)
    }
}

struct RollBack: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Give a task the root file system that it had.",
        discussion: """
            One that runs is stopped and started again. What was there is kept as a snapshot of its own, so nothing is lost.

            Examples:
              dish rollback web                  (the last snapshot that somebody made, or else the image)
              dish rollback web before-upgrade
              dish rollback web --image
            """)

    @Argument(help: "The task's name or id.", completion: .task)
    var task: String
    @Argument(help: "The snapshot (default: the last that somebody made, or else the image).")
    var name: String?
    @Flag(help: "Back to the image, whatever snapshots there are.")
    var image = false
    @Option(
        name: .shortAndLong, help: "Seconds until what still runs is killed (default: 10; at once where its init is gone).")
    var timeout: UInt32?
    @Option(help: "Seconds that booting may take.")
    var bootTimeout = 90
    @OptionGroup var background: BackgroundOption

    func validate() throws {
        if image, name != nil { throw ValidationError("--image and a snapshot's name exclude each other.") }
    }

    func run() async throws {
        let agent = try AgentClient.host
        let request = RollbackRequest(snapshot: name, image: image, timeout: timeout)
        if background.background {
            return print(try await agent.rollBackInBackground(task, to: request).id, to: .output)
        }
        let task = try await agent.rollBack(task, to: request)
        print(task.state.hasEnded ? task.name : try await agent.upAgain(task, seconds: bootTimeout).name, to: .output)
    }
}
