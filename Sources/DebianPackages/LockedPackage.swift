/// One package, exactly: what a lock file says of it.
public struct LockedPackage: Sendable, Hashable, Codable {
    public let name: String
    public let version: String
    /// `amd64`, or `all`.
    public let architecture: String
    /// Where it is in an archive, from the archive's root: `pool/main/…`.
    public let path: String
    /// Bytes.
    public let size: Int
    /// Lower-case hexadecimal.
    public let sha256: String
    /// Whether it is there only because another package needs it.
    public let isAutomatic: Bool
    /// Whether it belongs to the packages that dpkg itself needs to run, which are unpacked first.
    public let isEssential: Bool

    /// `name=version`, as apt takes it.
    var selector: String { "\(name)=\(version)" }
}

/// A package that no archive has.
public struct UnknownPackage: Error, CustomStringConvertible, Equatable {
    public let name: String
    public let description: String
}

/// Why packages can't be resolved, fetched or installed.
public struct PackageError: Error, CustomStringConvertible, Equatable {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
