/// A Python environment, exactly: what a lock file says of it.
public struct LockedEnvironment: Sendable, Codable, Equatable {
    /// Its path in the image.
    public let path: String
    /// The version of the Python that the wheels are for, like `3.11`.
    public let python: String
    public let wheels: [LockedWheel]
}

/// One wheel: a built package of Python.
public struct LockedWheel: Sendable, Codable, Equatable {
    public let name: String
    public let version: String
    /// The file's name, which says what it runs on.
    public let file: String
    /// Bytes.
    public let size: Int
    /// Lower-case hexadecimal.
    public let sha256: String
    /// True if it is pip, which installs the others and isn't installed.
    public let isInstaller: Bool

    /// Its path in a pool's cache.
    func cachePath(in cache: String) -> String { "\(cache)/wheels/\(sha256).whl" }

    /// `NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl` (the binary distribution format of the Python Packaging User Guide); nil for other
    /// names.
    static func parts(of file: String) -> (name: String, version: String, platforms: [String])? {
        guard file.hasSuffix(".whl"), !file.contains("/"), !file.hasPrefix("."), file.utf8.count < 256,
            file.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "'") })
        else { return nil }
        let parts = file.dropLast(4).split(separator: "-").map(String.init)
        guard parts.count == 5 || parts.count == 6 else { return nil }
        return (parts[0], parts[1], parts.last!.split(separator: ".").map(String.init))
    }

    /// `name==version`, as pip takes it.
    var selector: String { "\(name)==\(version)" }
}

/// The files of an image's wheels, by digest.
struct WheelFiles: Sendable {
    let environments: [LockedEnvironment]
    let cache: String

    func wheels(of path: String) -> [LockedWheel] { environments.first { $0.path == path }?.wheels ?? [] }
}
