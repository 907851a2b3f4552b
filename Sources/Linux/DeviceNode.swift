import Glibc

/// A block or character device of a tree that comes from outside: an archive, a stream, a package, a task.
///
/// One rule for all of them. A node is a way around all permissions for whoever gets it opened; mounts with `nodev` keep it from being
/// opened, and it has no use without that. So only those nodes are taken that do no harm where they can be opened.
public struct DeviceNode: Sendable, Equatable, CustomStringConvertible {
    public let isBlock: Bool
    public let major: UInt32
    public let minor: UInt32

    public init(isBlock: Bool, major: UInt32, minor: UInt32) {
        (self.isBlock, self.major, self.minor) = (isBlock, major, minor)
    }

    /// Whether images and volumes may have it: what every container has in its `/dev` (`null`, `zero`, `full`, `random`, `urandom`,
    /// `tty`, `ptmx`), and overlayfs's whiteout, which is no device of anything.
    public var isHarmless: Bool {
        guard !isBlock else { return false }
        switch (major, minor) {
        case (0, 0), (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2): return true
        default: return false
        }
    }

    /// For messages.
    public static let harmlessNames = "null, zero, full, random, urandom, tty, ptmx and overlay's whiteouts"

    public var description: String { "\(isBlock ? "block" : "character") device \(major):\(minor)" }
}

/// The nodes that an importer left out, for people: how many, and the first of them.
public struct LeftOutNodes: Sendable, Codable, Equatable, CustomStringConvertible {
    /// Number of nodes.
    public private(set) var count = 0
    /// Absolute paths of the first of them.
    public private(set) var paths: [String] = []

    private static let shown = 10

    public init() {}

    public var isEmpty: Bool { count == 0 }

    /// - Parameter path: with a leading slash.
    public mutating func add(_ path: String) {
        count += 1
        if paths.count < Self.shown { paths.append(path) }
    }

    public mutating func add(_ other: LeftOutNodes) {
        count += other.count
        paths += other.paths.prefix(Self.shown - paths.count)
    }

    public var description: String {
        let more = count > paths.count ? " and \(count - paths.count) more" : ""
        return "devices left out: \(paths.joined(separator: " "))\(more)"
    }
}
