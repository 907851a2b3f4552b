/// Why something can't be built.
public struct BuildError: Error, CustomStringConvertible, Equatable {
    public enum Code: Sendable {
        case unknownTarget
        case step
        case lock
        case path
        case account
    }

    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
