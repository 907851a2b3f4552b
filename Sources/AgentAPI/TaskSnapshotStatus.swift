/// A snapshot of a task's root file system.
public struct TaskSnapshotStatus: Sendable, Codable, Equatable {
    public var name: String
    /// Seconds since 1970.
    public var created: Int64
    /// Whether a rollback kept it.
    public var isAutomatic: Bool

    public init(name: String, created: Int64, isAutomatic: Bool) {
        self.name = name
        self.created = created
        self.isAutomatic = isAutomatic
    }
}

/// What `POST /v1/tasks/NAME/snapshots` takes.
public struct SnapshotRequest: Sendable, Codable, Equatable {
    /// Nil for the time.
    public var name: String?

    public init(name: String?) {
        self.name = name
    }
}

/// What `POST /v1/tasks/NAME/rollback` takes.
public struct RollbackRequest: Sendable, Codable, Equatable {
    /// Nil for the last snapshot that somebody made, or else the image.
    public var snapshot: String?
    /// Whether it is the image in any case.
    public var image: Bool
    /// Seconds until what still runs is killed.
    public var timeout: UInt32

    public init(snapshot: String?, image: Bool, timeout: UInt32) {
        self.snapshot = snapshot
        self.image = image
        self.timeout = timeout
    }
}
