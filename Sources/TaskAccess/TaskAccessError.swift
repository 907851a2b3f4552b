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
        /// It isn't held apart from the host, or what is started in it wouldn't be.
        case notApart
    }

    public let code: Code
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
