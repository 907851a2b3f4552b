/// Whose a subvolume of a pool is, by its path.
enum PoolSubject: Sendable, Hashable {
    case layer(String)
    case task(String)
    case taskSnapshot(task: String, name: String)
    case volume(String)
    case volumeSnapshot(volume: String, name: String)
    /// Logs of a task, removed or not.
    case logs(String)
    /// What a failed step of a build found, by the directory's name.
    case failed(String)
    /// What is unfinished.
    case staging
    /// The pool's own files: records, fetched packages.
    case pool
    /// What isn't Butterdish's.
    case other(String)

    /// - Parameter path: from the pool; empty for the subvolume that the pool itself is in.
    init(_ path: String) {
        let parts = path.split(separator: "/").map(String.init)
        switch (parts.first, parts.count) {
        case (nil, _): self = .pool
        case ("layers", 3...): self = .layer(parts[1])
        case ("tasks", 5...) where parts[2] == "snapshots": self = .taskSnapshot(task: parts[1], name: parts[3])
        case ("tasks", 3...) where parts[2] == "logs": self = .logs(parts[1])
        case ("tasks", 3...): self = .task(parts[1])
        case ("volumes", 5...) where parts[2] == "snapshots": self = .volumeSnapshot(volume: parts[1], name: parts[3])
        case ("volumes", 3...): self = .volume(parts[1])
        case ("logs", 3...): self = .logs(parts[1])
        case ("failed", 3...): self = .failed(parts[1])
        case ("staging", 2...): self = .staging
        default: self = .other(path)
        }
    }
}
