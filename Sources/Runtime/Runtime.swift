public import Linux

/// Launches root file systems as containers.
///
/// A runtime turns a `Container` into one command line whose process *is* the container: it runs in
/// the foreground, ends when the container ends, and takes it along when it is killed. Who starts
/// that process, and in which cgroup, is the caller's business: a task's helper, or a build step.
/// systemd-nspawn is the first implementation.
public protocol Runtime: Sendable {
    /// The process to start.
    ///
    /// - Throws: `RuntimeError` when the runtime isn't installed or can't do what is asked.
    func spawn(_ container: Container) throws(RuntimeError) -> Spawn

    /// Takes away what the runtime must not find in a root, once it is there and before anything runs in it.
    ///
    /// - Parameter path: of a directory whose parents the host trusts.
    /// - Throws: `RuntimeError` for a root that can't be started; `SystemError`.
    func prepare(root path: String) throws

    /// The path inside of what `prepare(root:)` takes away from such a root; nil for nothing.
    func pathTakenAway(from root: String) throws -> String?

    /// Puts back what `prepare(root:)` took away, once nothing runs in it any more.
    ///
    /// - Parameter snapshot: of the root, from before.
    func restore(root path: String, from snapshot: String) throws

    /// Directories of the host that the runtime wants for itself, each container's apart from others'.
    var privateDirectories: [String] { get }

    /// Files in those directories of a container that `hasPrivateFiles`, by their absolute paths.
    ///
    /// - Throws: `RuntimeError` for what can't be written down.
    func privateFiles(_ container: Container) throws(RuntimeError) -> [String: String]
}

extension Runtime {
    public func prepare(root path: String) throws {}

    public func pathTakenAway(from root: String) throws -> String? { nil }

    public func restore(root path: String, from snapshot: String) throws {}

    public var privateDirectories: [String] { [] }

    public func privateFiles(_ container: Container) throws(RuntimeError) -> [String: String] { [:] }
}

/// Why a runtime can't launch a container.
public struct RuntimeError: Error, CustomStringConvertible, Equatable {
    public enum Code: Sendable {
        case notInstalled
        case invalid
    }

    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
