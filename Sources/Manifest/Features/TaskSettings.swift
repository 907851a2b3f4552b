import Spec

/// The key `task`: what the image says of the tasks that run from it.
enum TaskSettings {
    static let key = KeySchema(
        "task", .mapping(schema),
        "What tasks of this image get unless `dish run` says otherwise. Images that stand on it inherit it, key by key.")

    private static let schema = MappingSchema(
        "'task'", title: "task",
        [
            KeySchema("environment", .table(.variable), default: "none", "Environment variables."),
            KeySchema(
                "command", .list(of: .text(.any)), default: "none",
                "What runs in an image that has no init, program and arguments. An image with an init is booted."),
            KeySchema("user", .text(.account), default: "`root`", "The user a command runs as."),
            KeySchema("directory", .text(.path), default: "`/`", "The directory a command starts in."),
            KeySchema("stop_signal", .text(.word(signals)), default: "`SIGTERM`", "What asks a command to end."),
            KeySchema("labels", .table(.labelKey), default: "none", "Texts that say something of the image, by key."),
            KeySchema("mounts", .list(of: .mapping(mount)), default: "none", "What tasks see at some paths."),
            KeySchema(
                "immutable", .list(of: .text(.path)), default: "none",
                "Directories that tasks can't change: all tasks of the image see the layer's own, and share what is cached of it in memory."
            ),
        ])

    static let signals = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGKILL"]

    private static let mount = MappingSchema(
        "a mount", title: "task: mounts", oneOf: [["host", "tmpfs"]],
        [
            KeySchema("path", .text(.path), required: true, "Where it is in the task."),
            KeySchema(
                "host", .text(.path),
                "A path of the host, which must be there when the task starts, and which whoever starts it must allow: `dish run --allow-mount`."
            ),
            KeySchema("tmpfs", .text(.size), "A file system in memory of this size, empty at each start."),
            KeySchema("read_only", .boolean, default: "`true` for a path of the host", "Whether the task can't write to it."),
        ])

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        guard let task = try mapping.mapping(key.name) else { return [] }
        var features: [Feature] = []
        func add(_ setting: Setting, _ place: ManifestError.Place) { features.append(Feature(.setting(setting), at: place)) }
        for (name, value) in task.table("environment") { add(.environment(name: name, value: value.value), value.place) }
        for (name, value) in task.table("labels") { add(.label(name: name, value: value.value), value.place) }
        if let node = task["command"] {
            let command = task.texts("command").map(\.value)
            guard !command.isEmpty else { throw node.fail("'command' is empty; name a program") }
            add(.command(command), node.place)
        }
        if let user = task.located("user") { add(.user(user.value), user.place) }
        if let directory = task.located("directory") { add(.directory(directory.value), directory.place) }
        if let signal = task.located("stop_signal") { add(.stopSignal(signal.value), signal.place) }
        for entry in try task.mappings("mounts") {
            let isHost = entry["host"] != nil
            let source: Setting.Mount.Source =
                isHost ? .host(entry.text("host") ?? "") : .tmpfs(size: entry.text("tmpfs").flatMap { ByteCount($0)?.bytes } ?? 0)
            let mount = Setting.Mount(
                path: entry.text("path") ?? "", source: source, readOnly: entry.isTrue("read_only") ?? isHost)
            add(.mount(mount), entry.place)
        }
        for path in task.texts("immutable") { add(.immutable(path.value), path.place) }
        return features
    }
}
