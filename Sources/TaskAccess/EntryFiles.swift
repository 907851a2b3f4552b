public import Linux
public import Seccomp

/// What the agent leaves for those who enter a task, in a directory that only root of the host can read.
public struct EntryFiles: Sendable {
    private let directory: String

    /// - Parameter directory: the one that the task's helper has its socket in.
    public init(in directory: String) { self.directory = directory }

    private var filterPath: String { "\(directory)/filter" }
    private var capabilitiesPath: String { "\(directory)/capabilities" }
    private var environmentPath: String { "\(directory)/environment" }
    private var workingDirectoryPath: String { "\(directory)/directory" }

    /// Whether all are there.
    public var areComplete: Bool { [filterPath, capabilitiesPath, environmentPath].allSatisfy { Files.exists($0) } }

    /// - Parameters:
    ///   - capabilities: the most that any process of the task has.
    ///   - environment: what the image and whoever started the task gave it.
    ///   - workingDirectory: that of the task's command; nil for none.
    public func write(
        _ filter: SystemCallFilter, _ capabilities: Spawn.Capabilities, environment: [String: String],
        workingDirectory: String? = nil
    ) throws(SystemError) {
        try Files.replace(workingDirectoryPath, with: (workingDirectory ?? "").utf8, mode: 0o600, durable: false)
        let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\0" }.joined()
        let mask = "\(String(capabilities.bounding, radix: 16)) \(capabilities.gainsNothing ? 1 : 0)\n"
        try Files.replace(environmentPath, with: variables.utf8, mode: 0o600, durable: false)
        try Files.replace(capabilitiesPath, with: mask.utf8, mode: 0o600, durable: false)
        try Files.replace(filterPath, with: filter.content, mode: 0o600, durable: false)
    }

    /// - Parameter task: for errors: `task 'web'`.
    /// - Throws: `TaskAccessError` when it isn't there: nothing enters without.
    public func confinement(of task: String) throws -> TaskEntry.Confinement {
        let words = ((try? Files.readText(capabilitiesPath)) ?? "").split(whereSeparator: \.isWhitespace)
        guard let content = try? Files.read(filterPath), let filter = SystemCallFilter(content: content), words.count == 2,
            let bounding = UInt64(words[0], radix: 16)
        else {
            throw TaskAccessError(
                .noFilter,
                "nothing can enter \(task) as its own processes run: \(filterPath), its filter of system calls, is missing or damaged; restart the agent, which makes it anew"
            )
        }
        return .asTask(filter, Spawn.Capabilities(bounding: bounding, gainsNothing: words[1] != "0"))
    }

    /// Nil for a task without one.
    public func workingDirectory() -> String? {
        guard let text = try? Files.readText(workingDirectoryPath), text.hasPrefix("/") else { return nil }
        return text
    }

    /// None where the agent left none.
    public func environment() -> [String: String] {
        let content = (try? Files.read(environmentPath)) ?? []
        let pairs = content.split(separator: 0).compactMap { variable -> (String, String)? in
            guard let equals = variable.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            return (
                String(decoding: variable[..<equals], as: UTF8.self), String(decoding: variable[(equals + 1)...], as: UTF8.self)
            )
        }
        return Dictionary(pairs) { $1 }
    }
}
