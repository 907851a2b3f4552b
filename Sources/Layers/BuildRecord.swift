import Linux

/// What one build of a target was made from, what ran, and what came of it. Each build that ran something leaves one
/// in `<pool>/builds/<label>/`.
public struct BuildRecord: Sendable, Codable {
    /// One run of the sandbox.
    public struct Step: Sendable, Codable {
        /// "run step 1 of 2".
        public let name: String
        /// The program and its arguments.
        public let command: [String]
        public let environment: [String: String]
        public var seconds: Double

        public init(name: String, command: [String], environment: [String: String], seconds: Double) {
            self.name = name
            self.command = command
            self.environment = environment
            self.seconds = seconds
        }
    }

    public let label: String
    /// The action's key: what all inputs together are.
    public let key: String
    /// What the key is made of: the kind of the input, then what identifies it.
    public let inputs: [[String]]
    public let parent: LayerID?
    /// Where the image was while it was made; it is part of the steps' commands.
    public let root: String
    /// The layer with its packages, installed by a build before, that the steps went on from; nil when they began with
    /// the parent.
    public var packages: LayerID?
    public var steps: [Step] = []
    /// Seconds since 1970.
    public let started: Int64
    public var seconds: Double = 0
    /// What was made; nil when the build failed.
    public var layer: LayerID?
    /// Why it failed.
    public var failure: String?

    public init(label: String, key: String, inputs: [[String]], parent: LayerID?, root: String, started: Int64) {
        self.label = label
        self.key = key
        self.inputs = inputs
        self.parent = parent
        self.root = root
        self.started = started
    }
}

extension Pool {
    /// How many builds of a target are remembered.
    private static let remembered = 20

    /// The targets whose builds are remembered.
    func builtLabels() throws -> [String] {
        let folder = "\(path)/builds"
        return Files.isDirectory(folder) ? try Files.list(folder).compactMap { Self.decode($0) } : []
    }

    /// The remembered builds of a target, oldest first.
    public func builds(of label: String) throws -> [BuildRecord] {
        let folder = folder(ofBuilds: label)
        guard Files.isDirectory(folder) else { return [] }
        return try Files.list(folder).filter { $0.hasSuffix(".json") }.map {
            try StateFile.read(BuildRecord.self, "\(folder)/\($0)")
        }
    }

    /// The remembered builds of an image by its label, or by a name or id of what a build of that label made.
    ///
    /// - Throws: `PoolError` `.unknownImage` when there is no such image either.
    public func builds(ofImage name: String) throws -> [BuildRecord] {
        let own = try builds(of: name)
        return own.isEmpty ? try builds(of: resolve(name).label) : own
    }

    /// Remembers a build, and forgets the oldest.
    ///
    /// - Parameter commits: see `name`.
    public func add(_ record: BuildRecord, commits: Bool = true) throws {
        let folder = folder(ofBuilds: record.label)
        try Files.makeDirectories(folder, mode: 0o700)
        let names = try Files.list(folder).filter { $0.hasSuffix(".json") }
        let number = (names.last.flatMap { Int($0.dropLast(5)) } ?? 0) + 1
        // Names sort as their numbers do.
        let digits = String(number)
        let name = String(repeating: "0", count: max(0, 8 - digits.count)) + digits
        try StateFile.write(record, "\(folder)/\(name).json", syncsName: commits)
        for old in names.dropLast(Self.remembered - 1) { try Files.removeTree("\(folder)/\(old)") }
    }

    private func folder(ofBuilds label: String) -> String { "\(path)/builds/\(Self.encode(label))" }
}
