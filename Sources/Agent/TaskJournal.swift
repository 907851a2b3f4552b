import Glibc
import Layers
import Linux
import Runtime
import Spec

/// A booted task's journal, which lies in its logs instead of its root file system (docs/access.md).
struct TaskJournal: Sendable {
    private let directory: String
    private let settings: String

    private static let place = "/var/log/journal"
    private static let programs = ["usr/lib/systemd/systemd-journald", "lib/systemd/systemd-journald"]

    /// Nil for a task that keeps none: its image has no systemd-journald, it runs a command, or something else is mounted in
    /// that place.
    init?(of task: TaskIntent, _ configuration: AgentConfiguration) {
        let pool = configuration.pool
        let mounted = (task.volumes ?? []).map(\.path) + (task.mounts ?? []).map(\.path)
        guard task.boots, !mounted.contains(Self.place),
            let root = try? OwnedFD.open(pool.root(of: task.layer), O_RDONLY | O_DIRECTORY),
            Self.programs.contains(where: { root.contains($0) })
        else { return nil }
        directory = "\(pool.logs(ofTask: task.id))/journal"
        settings = Self.settings(configuration)
    }

    /// Makes the directory, once the logs are there.
    func prepare() throws { try Files.makeDirectories(directory) }

    var binds: [Container.Bind] {
        [
            .init(directory, at: Self.place, readOnly: false),
            .init(settings, at: "/etc/systemd/journald.conf.d/50-dish.conf", mapsOwners: false),
        ]
    }

    private static func settings(_ configuration: AgentConfiguration) -> String {
        "\(configuration.runtimeDirectory)/journald.conf"
    }

    /// Writes what all tasks' journals are told: what they may take, as journald.conf(5) has it.
    static func writeSettings(_ configuration: AgentConfiguration) throws {
        let text = """
            # Butterdish keeps this journal beside the container, on its pool.
            [Journal]
            SystemMaxUse=128M
            SystemMaxFileSize=16M
            SystemKeepFree=64M

            """
        try Files.replace(settings(configuration), with: text.utf8, durable: false)
    }
}
