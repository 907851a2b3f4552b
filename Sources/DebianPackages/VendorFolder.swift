import Glibc
import Linux

/// A folder in which people keep the `.deb` files that a lock file names, beside it or anywhere: with it, images
/// are built without any archive.
public struct VendorFolder: Sendable {
    public let path: String

    public init(_ path: String) {
        self.path = path
    }

    private func file(_ package: LockedPackage) -> String { "\(path)/\(package.fileName)" }

    /// Puts copies of packages into the folder, which is made if need be; those that are there already stay.
    ///
    /// - Parameter files: where the packages are, in the same order.
    public func keep(_ packages: [LockedPackage], files: [String]) throws {
        try Files.makeDirectories(path)
        for (package, source) in zip(packages, files) where !Files.exists(file(package)) {
            try Files.replace(file(package), with: try Files.read(source), durable: false)
        }
    }

    /// Brings packages into a cache, as `DebianArchive.fetch` would.
    ///
    /// - Parameters:
    ///   - cache: the directory of `DebianArchive`.
    ///   - digest: the SHA-256 of bytes, in lower-case hexadecimal.
    /// - Throws: `PackageError` for one that isn't there, or has another content.
    public func supply(_ packages: [LockedPackage], to cache: String, digest: ([UInt8]) -> String) throws {
        try Files.makeDirectories("\(cache)/packages")
        for package in packages where !package.isCached(in: cache) {
            let source = file(package)
            guard Files.exists(source) else {
                throw PackageError(
                    "there is no '\(source)', which the lock file wants; keep the packages anew: dish image plan --vendor \(path) //..."
                )
            }
            let content = try Files.read(source)
            guard digest(content) == package.sha256 else {
                throw PackageError(
                    "'\(source)' doesn't have the SHA-256 of the lock file; remove it and keep the packages anew: dish image plan --vendor \(path) //..."
                )
            }
            try Files.replace(package.cachePath(in: cache), with: content, durable: false)
        }
    }
}

extension LockedPackage {
    /// Its usual name, which apt wants.
    var fileName: String { "\(name)_\(version.replacing(":", with: "%3a"))_\(architecture).deb" }

    /// Where it is in a cache.
    func cachePath(in cache: String) -> String { "\(cache)/packages/\(sha256).deb" }

    /// A file has its name in the cache only when its digest has been checked.
    func isCached(in cache: String) -> Bool {
        var status = stat()
        return stat(cachePath(in: cache), &status) == 0 && Int(status.st_size) == size
    }
}
