import FoundationEssentials
import Glibc
import Linux

/// What an image says of the tasks that run from it: a file in its tree, so it is part of the layer's identity, and
/// images that stand on it inherit it.
public struct ImageConfiguration: Sendable, Codable, Equatable {
    /// Where it is in an image.
    public static let path = "/usr/lib/dish/image.json"

    /// What a task sees at a path instead of what the image has there.
    public struct Mount: Sendable, Codable, Equatable {
        public var path: String
        /// A path of the host; nil for a file system in memory.
        public var host: String?
        /// Bytes of a file system in memory.
        public var tmpfs: UInt64?
        public var readOnly: Bool

        public init(path: String, host: String?, tmpfs: UInt64?, readOnly: Bool) {
            self.path = path
            self.host = host
            self.tmpfs = tmpfs
            self.readOnly = readOnly
        }
    }

    public var environment: [String: String] = [:]
    /// In images whose own command runs even where they have an init, what the command's words are appended to; it
    /// may be empty. Nil for all others.
    public var entrypoint: [String]?
    /// What runs in an image without init; empty for nothing.
    public var command: [String] = []
    /// `USER[:GROUP]`, names or numbers.
    public var user: String?
    public var directory: String?
    /// With its prefix: `SIGTERM`.
    public var stopSignal: String?
    public var labels: [String: String] = [:]
    /// What an OCI image says of its ports and volumes: kept for whoever it is exported to.
    public var exposedPorts: [String]?
    public var volumes: [String]?
    /// In the order of their paths.
    public var mounts: [Mount] = []
    /// Directories of which tasks see the layer's own, read-only, in the order of their paths.
    public var immutable: [String]?

    public init() {}

    /// The whole command line; empty for nothing.
    public var commandLine: [String] { (entrypoint ?? []) + command }

    /// Reads it; an image without the file says nothing.
    ///
    /// - Throws: `PoolError` `.damaged`.
    public init(_ content: [UInt8]?) throws {
        guard let content else { return }
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(content))
        } catch {
            throw PoolError(.damaged, "the image's \(Self.path) is damaged: \(plainReason(error))")
        }
    }

    /// The configuration of an image's tree.
    public static func read(root: String) throws -> ImageConfiguration {
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        do {
            return try ImageConfiguration(directory.readFileIfPresent(inRoot: path, limit: sizeLimit))
        } catch let error as SystemError where error.code == EINVAL || error.code == EFBIG {
            throw PoolError(.damaged, "the image's \(path) is no file, or larger than \(sizeLimit >> 20) MiB")
        }
    }

    private static let sizeLimit = 8 << 20

    /// The file's content: keys are sorted, so equal configurations have equal files.
    public func encoded() throws -> [UInt8] { Array(try StateFile.encode(self)) }
}
