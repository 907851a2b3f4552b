public import Linux

/// Why something can't be fetched from a registry, stored in it, or taken from what it sent.
public struct RegistryError: SettingFailure, CustomStringConvertible, Equatable {
    public enum Code: Sendable {
        /// No answer, or one that broke off; trying again may help.
        case unreachable
        /// The registry answered with an error.
        case refused
        /// It wants other credentials.
        case unauthorized
        /// It has no such image or blob.
        case notFound
        /// What came isn't what was asked for.
        case damaged
        /// What was asked for makes no sense.
        case invalid
        /// A signature is missing or wrong, or the policy forbids it.
        case untrusted
        /// A program of the host is missing or failed.
        case program
    }

    public let code: Code
    public let description: String
    public let settings: [String]

    public init(_ code: Code, _ description: String, settings: [String] = []) {
        self.code = code
        self.description = description
        self.settings = settings
    }
}
