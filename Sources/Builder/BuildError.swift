/// Why something can't be built.
public struct BuildError: Error, CustomStringConvertible, Equatable {
    public enum Code: Sendable {
        case unknownTarget
        case step
        case lock
        case path
        case account
        /// Python packages can't be resolved, fetched or installed.
        case python
        /// A rebuild of what was built before gave something else.
        case notReproducible
        /// A label is another workspace's, or the workspace's own name is none.
        case workspace
        /// Some of several images failed, which the events have told.
        case someFailed
    }

    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
