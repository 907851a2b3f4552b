/// A snapshot of a task's root file system.
public struct TaskSnapshotStatus: Sendable, Codable, Equatable {
    public var name: String
    /// Seconds since 1970.
    public var created: Int64
    /// Whether a rollback kept it.
    public var isAutomatic: Bool
    /// Of one that was just made: paths of subvolumes inside the task, at most 100, whose content isn't in it; nil for none.
    public var missing: [String]?

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
    public var image = false
    /// Seconds until what still runs is killed; nil for 10, and none where the init that would end it is gone.
    public var timeout: UInt32?

    public init(snapshot: String?, image: Bool, timeout: UInt32?) {
        self.snapshot = snapshot
        self.image = image
        self.timeout = timeout
    }
}

extension RollbackRequest {
    /// What is left out has its default.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            snapshot: try values.decodeIfPresent(String.self, forKey: .snapshot),
            image: try values.decodeIfPresent(Bool.self, forKey: .image) ?? false,
            timeout: try values.decodeIfPresent(UInt32.self, forKey: .timeout))
    }
}
