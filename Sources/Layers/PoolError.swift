public import Linux

/// What can be wrong with a pool or with what is asked of it.
public struct PoolError: SettingFailure, CustomStringConvertible, Equatable {
    public enum Code: Sendable {
        case notPool
        case notBtrfs
        case unknownImage
        case unknownVolume
        case ambiguous
        case inUse
        case invalid
        case damaged
        /// Its devices, or a quota.
        case full
        /// More than can be checked in a reasonable time.
        case tooLarge
        case notPrivileged
    }

    public let code: Code
    /// What was being done, to what, why it failed, what to do.
    public let description: String
    public let settings: [String]

    public init(_ code: Code, _ description: String, settings: [String] = []) {
        self.code = code
        self.description = description
        self.settings = settings
    }
}
