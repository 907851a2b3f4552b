/// A directory or file of the host that a program finds in its `mountDirectory`, without device nodes (`nodev`).
///
/// It is opened once, and that descriptor is what is mounted: whatever its path leads to later is something else.
public struct HelperMount: Sendable, Equatable {
    /// A file's name.
    public var name: String
    /// An absolute path that the host trusts.
    public var base: String
    /// What is mounted below the base, out of which no link leads; empty for the base itself.
    public var path: String
    /// True if links are followed with the base as the root directory, as the container will; else one that leads out is an error.
    public var baseIsRoot: Bool
    /// Whether the base is without symbolic links: it was resolved when the mount was allowed.
    public var baseIsResolved: Bool

    public init(_ name: String, base: String, path: String = "", baseIsRoot: Bool = false, baseIsResolved: Bool = false) {
        self.name = name
        self.base = base
        self.path = path
        self.baseIsRoot = baseIsRoot
        self.baseIsResolved = baseIsResolved
    }
}
