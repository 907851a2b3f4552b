/// A way into a task that there isn't.
public struct TaskAccessError: Error, Sendable, CustomStringConvertible {
    public enum Code: Sendable {
        case ended
        case noUser
        case noDirectory
        /// A shell would answer 127.
        case noCommand
        /// A shell would answer 126.
        case notExecutable
        case noFilter
    }

    public let code: Code
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
