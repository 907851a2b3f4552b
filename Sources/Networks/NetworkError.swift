/// A failure of a network.
public struct NetworkError: Error, CustomStringConvertible, Equatable {
    public enum Code: Sendable {
        case invalid
        case conflict
        case notInstalled
        /// What was to be removed isn't there.
        case missing
        case failed
    }

    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
