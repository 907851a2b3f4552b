public import DebianPackages
import FoundationEssentials
import Layers
import Linux
import Manifest
import OCI

/// `IMAGES.lock` at a workspace's root: which packages, exactly, each image adds. People commit it; it
/// names no archive.
public struct LockFile: Sendable, Codable, Equatable {
    public static let name = "IMAGES.lock"

    public struct Entry: Sendable, Codable, Equatable {
        /// What was asked for: an entry is stale when this differs from the manifest.
        public var request: [String]
        /// What the image adds to its parent's packages, in the order of installation.
        public var packages: [LockedPackage]
        /// The Python environments it has; nil for none.
        public var python: [LockedEnvironment]?
    }

    var version = 1
    /// By label.
    public var images: [String: Entry] = [:]

    /// The lock of a workspace; an empty one when there is none.
    public static func read(_ workspace: Workspace) throws -> LockFile {
        let path = "\(workspace.root)/\(name)"
        guard Files.exists(path) else { return LockFile() }
        let lock: LockFile
        do {
            lock = try JSONDecoder().decode(LockFile.self, from: Data(try BlobFile.read(path, limit: 64 << 20)))
        } catch let error as DecodingError {
            throw BuildError(
                .lock, "'\(path)' is not a lock file (\(error.sentence)); restore it or remove it and run: dish image plan")
        }
        guard lock.version == 1 else {
            throw BuildError(.lock, "'\(path)' has version \(lock.version); this program knows 1")
        }
        return lock
    }

    public func write(_ workspace: Workspace) throws {
        try StateFile.write(self, "\(workspace.root)/\(Self.name)")
    }

    /// The packages of an image, if they were resolved for what it and those below it ask for now.
    func packages(of target: ImageTarget, on chain: [ImageTarget]) -> [LockedPackage]? {
        guard let entry = images[target.label.description], entry.request == Self.request(of: target, on: chain) else {
            return nil
        }
        return entry.packages
    }

    /// The Python environments of an image, if they were resolved for what it asks for now.
    func environments(of target: ImageTarget, on chain: [ImageTarget]) -> [LockedEnvironment]? {
        guard let entry = images[target.label.description], entry.request == Self.request(of: target, on: chain) else {
            return nil
        }
        return entry.python ?? []
    }

    /// What decides which packages an image gets: what it and all below it ask for.
    static func request(of target: ImageTarget, on chain: [ImageTarget]) -> [String] {
        (chain + [target]).flatMap { target in
            var lines: [String] = []
            if let base = target.debian {
                let variant = base.variant == .apt ? "" : " \(base.variant.rawValue)"
                lines.append("debian \(base.suite) \(base.components.joined(separator: " "))\(variant)")
            }
            lines += target.packages.map(\.value.selector).sorted() + target.removedPackages.sorted().map { "-\($0)" }
            return lines + target.python.map { "python \($0.value.path) \($0.value.packages.joined(separator: " "))" }.sorted()
        }
    }
}
