import Spec

/// A file of jobs.
public struct JobFile: Sendable {
    /// In the order they are written.
    public let jobs: [JobDefinition]

    /// - Parameters:
    ///   - text: the file's content.
    ///   - file: its path, for messages.
    public init(_ text: String, file: String) throws(ManifestError) {
        guard let document = try YAMLDocument.read(text, file: file) else {
            throw ManifestError(.init(file: file, line: 1, column: 1), "the file is empty; it needs the key 'jobs'")
        }
        var jobs: [JobDefinition] = []
        for entry in try CheckedMapping(document, JobLanguage.file).mappings("jobs") { jobs.append(try JobDefinition(entry)) }
        self.jobs = jobs
        _ = try Self.ordered(jobs)
    }

    /// Jobs of one or more files so that each stands after those it depends on.
    ///
    /// - Throws: `ManifestError` for a job or a port that two of them have, and for jobs that wait for each other.
    public static func ordered(_ jobs: [JobDefinition]) throws(ManifestError) -> [JobDefinition] {
        try requireDistinct(jobs.map(\.name)) { "the job '\($0)'" }
        var ports: [(port: PublishedPort, text: Located<String>)] = []
        for (text, port) in jobs.flatMap({ zip($0.publish, $0.spec.task.publish) }) {
            if let other = ports.first(where: { $0.port.conflicts(with: port) }) {
                throw ManifestError(
                    text.place, "'\(text.value)' wants the same port of the host as '\(other.text.value)' at \(other.text.place)")
            }
            ports.append((port, text))
        }
        var order = JobOrder(jobs)
        return try order.all()
    }
}

/// A walk along dependencies.
private struct JobOrder {
    private let jobs: [JobDefinition]
    private var done: [JobDefinition] = []
    private var path: [String] = []

    init(_ jobs: [JobDefinition]) {
        self.jobs = jobs
    }

    mutating func all() throws(ManifestError) -> [JobDefinition] {
        for job in jobs { try visit(job) }
        return done
    }

    private mutating func visit(_ job: JobDefinition) throws(ManifestError) {
        guard !done.contains(where: { $0.name == job.name }) else { return }
        path.append(job.name.value)
        defer { path.removeLast() }
        for dependency in job.dependencies {
            if let start = path.firstIndex(of: dependency.value) {
                let names = path[start...] + [dependency.value]
                throw ManifestError(
                    dependency.place, "the jobs wait for each other: \(names.joined(separator: " -> "))")
            }
            // One that isn't in these files may be on the host.
            if let other = jobs.first(where: { $0.name == dependency }) { try visit(other) }
        }
        done.append(job)
    }
}
