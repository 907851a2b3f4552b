import Btrfs
import CLinux
import Glibc
import Linux

/// Something whose past can be looked at and brought back (docs/tasks.md, "Going back in time").
public enum Timeline: Sendable {
    /// Its root file system: the image it was made from, its snapshots, what it has now.
    case task(TaskRecord)
    case volume(String)
    /// The layers that were built under the label of an image, which a name or an id may stand for.
    case image(String)
}

/// A moment of a timeline.
public struct TimelinePoint: Sendable, Codable, Equatable {
    public enum Kind: String, Sendable, Codable {
        case image
        case snapshot
        /// A snapshot that a rollback or restore kept, or a schedule made.
        case automatic
        case build
        case now
    }

    /// What commands call it.
    public let name: String
    public let kind: Kind
    /// Seconds since 1970; nil for now.
    public let created: Int64?
}

/// What lies between two moments.
public struct ChangeSummary: Sendable, Codable, Equatable {
    public var added = 0
    public var changed = 0
    public var removed = 0
    /// Bytes of files that were added or whose content changed, as they are afterwards.
    public var written: UInt64 = 0
    /// Bytes of those and of removed ones, as they were before.
    public var replaced: UInt64 = 0

    public init(_ changes: [TreeChange]) {
        for change in changes {
            switch change.kind {
            case .added: added += 1
            case .changed: self.changed += 1
            case .removed: removed += 1
            }
            guard change.kind != .changed || change.aspects.contains("content") || change.aspects.contains("type") else {
                continue
            }
            written = written.saturatingAdd(change.newSize ?? 0)
            replaced = replaced.saturatingAdd(change.oldSize ?? 0)
        }
    }
}

/// A moment, with what was asked for beside.
public struct TimelineMoment: Sendable, Codable, Equatable {
    public let name: String
    public let kind: TimelinePoint.Kind
    /// Seconds since 1970; nil for now.
    public let created: Int64?
    /// What lies between the moment before and this one.
    public var changes: ChangeSummary?
    /// What the path that was asked for had; nil where there was nothing.
    public var path: PathState?

    init(_ point: TimelinePoint) { (name, kind, created) = (point.name, point.kind, point.created) }
}

/// What a path had at a moment.
public struct PathState: Sendable, Codable, Equatable {
    /// `file`, `directory`, `link` or `other`.
    public let kind: String
    public let size: UInt64
    /// Seconds since 1970.
    public let modified: Int64
}

extension Pool {
    /// Oldest first.
    public func points(of timeline: Timeline) throws -> [TimelinePoint] {
        let now = TimelinePoint(name: "now", kind: .now, created: nil)
        switch timeline {
        case .task(let task):
            let image = TimelinePoint(name: "image", kind: .image, created: try layer(task.layer)?.created)
            return try [image]
                + snapshots(of: task).map {
                    TimelinePoint(name: $0.name, kind: $0.isAutomatic ? .automatic : .snapshot, created: $0.created)
                } + [now]
        case .volume(let name):
            return try snapshots(of: name).map { snapshot in
                let isAutomatic = snapshot.scheduled == true || snapshot.name.hasPrefix("before-restore-")
                return TimelinePoint(name: snapshot.name, kind: isAutomatic ? .automatic : .snapshot, created: snapshot.created)
            } + [now]
        case .image(let name):
            var seen: Set<LayerID> = []
            let built = try builds(ofImage: name).compactMap { build -> TimelinePoint? in
                guard let id = build.layer, try layer(id) != nil, seen.insert(id).inserted else { return nil }
                return TimelinePoint(name: id.short, kind: .build, created: build.started)
            }
            // One that came from elsewhere was built by nobody here.
            guard let now = try? resolve(name), !seen.contains(now.id) else { return built }
            return built + [TimelinePoint(name: now.id.short, kind: .image, created: now.created)]
        }
    }

    /// The moments, oldest first, without what else there is to know of them.
    public func moments(of timeline: Timeline) throws -> [TimelineMoment] { try points(of: timeline).map(TimelineMoment.init) }

    /// What must be done to one moment to make it another; files are only read where they changed.
    public func changes(in timeline: Timeline, from: String, to: String) throws -> [TreeChange] {
        try ifThereIsRoom { try filesystem().sync() }
        return try tree(in: timeline, at: to).changes(from: tree(in: timeline, at: from))
    }

    /// The moments, with what lies between each and the one before it.
    ///
    /// - Parameter onMoment: called with each and its place, as soon as it is known.
    public func momentsWithChanges(
        of timeline: Timeline, onMoment: (Int, TimelineMoment) -> Void = { _, _ in }
    ) throws -> [TimelineMoment] {
        try ifThereIsRoom { try filesystem().sync() }
        var last: Tree?
        return try points(of: timeline).enumerated().map { index, point in
            let tree = try tree(in: timeline, at: point.name)
            defer { last = tree }
            var moment = TimelineMoment(point)
            moment.changes = try last.map { ChangeSummary(try tree.changes(from: $0)) }
            onMoment(index, moment)
            return moment
        }
    }

    /// The moments, with what a path had at each of them. Links on the way stay in the tree.
    public func moments(of timeline: Timeline, showing path: String) throws -> [TimelineMoment] {
        try points(of: timeline).map { point in
            var moment = TimelineMoment(point)
            let root = try OwnedFD.open(root(in: timeline, at: point.name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            guard let opened = try? root.open(inRoot: path, DISH_O_PATH | O_NOFOLLOW) else { return moment }
            var status = stat()
            let number = opened.number
            try retryingInterrupts("look at", path) { fstat(number, &status) }
            let kind =
                switch status.st_mode & S_IFMT {
                case S_IFREG: "file"
                case S_IFDIR: "directory"
                case S_IFLNK: "link"
                default: "other"
                }
            moment.path = PathState(
                kind: kind, size: kind == "file" ? UInt64(max(0, status.st_size)) : 0, modified: Int64(status.st_mtim.tv_sec))
            return moment
        }
    }

    /// Brings a path back to what it was at an earlier moment, with owners, modes, times and attributes. What has come since into a
    /// directory that is brought back stays; a file that is there is replaced in one step.
    public func restore(_ path: String, in timeline: Timeline, from point: String) throws -> TreeRestore.Result {
        if case .image(let label) = timeline {
            throw PoolError(.invalid, "the image '\(label)' can't change; give the earlier layer the name: dish image tag")
        }
        // A volume's schedule leaves the snapshot alone meanwhile.
        var use: SnapshotUse?
        if case .volume(let name) = timeline, point != "now" {
            use = try SnapshotUse(snapshot(point, of: name).name, of: name, in: self)
        }
        defer { withExtendedLifetime(use) {} }
        let result = try TreeRestore.restore(
            path, from: root(in: timeline, at: point), to: root(in: timeline, at: "now"))
        try filesystem().sync()
        return result
    }

    /// - Throws: `PoolError` `.invalid` naming the moments that there are.
    private func root(in timeline: Timeline, at name: String) throws -> String {
        let points = try points(of: timeline)
        // A snapshot may be called "now".
        guard
            let point = points.first(where: { $0.name == name && $0.kind != .now && $0.kind != .image })
                ?? points.first(where: { $0.name == name })
        else {
            throw PoolError(
                .invalid, "there is no moment '\(name)' in its history; there are \(points.map(\.name).joined(separator: ", "))")
        }
        switch (timeline, point.kind) {
        case (.task(let task), .image): return root(of: task.layer)
        case (.task(let task), .now): return "\(directory(ofTask: task.id))/rootfs"
        case (.task(let task), _): return root(ofSnapshot: name, ofTask: task.id)
        case (.volume(let volume), .now): return data(ofVolume: volume)
        case (.volume(let volume), _): return data(ofSnapshot: name, of: volume)
        case (.image, _): return root(of: try resolve(name).id)
        }
    }

    private func tree(in timeline: Timeline, at name: String) throws -> Tree {
        let root = try root(in: timeline, at: name)
        switch timeline {
        case .image: return try tree(of: try resolve(name).id)
        case .task(let task):
            if root == self.root(of: task.layer) { return try tree(of: task.layer) }
            let since = try firstChange(of: task, in: root)
            return try withSnapshot(of: root) { try Tree(of: $0, changedSince: since, in: tree(of: task.layer)) }
        case .volume(let volume):
            if root != data(ofVolume: volume) { return try tree(of: try snapshot(name, of: volume), of: volume) }
            return try withSnapshot(of: root) { try tree(ofSnapshot: $0, of: volume) }
        }
    }

    /// A read-only one is itself; of another a snapshot is made, for as long as the body runs. Where the pool has no room for one, it is read
    /// as it is, at the risk that a task changes it meanwhile.
    private func withSnapshot(of root: String, _ body: (String) throws -> Tree) throws -> Tree {
        if try Subvolume.info(root).isReadOnly { return try body(root) }
        var snapshot: StagingDirectory?
        try ifThereIsRoom {
            let staged = try StagingDirectory(in: self)
            try Subvolume.snapshot(root, to: staged.root, readOnly: true)
            try filesystem().sync()
            snapshot = staged
        }
        defer { withExtendedLifetime(snapshot) {} }
        return try body(snapshot?.root ?? root)
    }

    /// The transaction in which the first root that a root of a task descends from was made of the image; when its descent can't be
    /// followed, the one that began the image, so that more is read and nothing missed.
    private func firstChange(of task: TaskRecord, in root: String) throws -> UInt64 {
        let layer = try Subvolume.info(self.root(of: task.layer))
        var known: [String: Subvolume.Info] = [:]
        for point in try points(of: .task(task)) where point.kind != .image {
            let info = try Subvolume.info(self.root(in: .task(task), at: point.name))
            known[info.uuid] = info
        }
        var next: Subvolume.Info? = try Subvolume.info(root)
        for _ in 0...known.count {
            guard let info = next else { break }
            if info.parentUUID == layer.uuid { return info.creation }
            next = info.parentUUID.flatMap { known[$0] }
        }
        return layer.creation
    }
}
