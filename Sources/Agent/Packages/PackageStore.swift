import Glibc
import Layers
import Linux
import Logging

/// What the package manager remembers: one file in the agent's state directory, replaced as a whole.
struct PackageStore: Sendable {
    /// An image of a registry.
    struct Record: Sendable, Codable, Equatable {
        /// Whether it is still to be fetched.
        var isWanted = false
        /// Whether that is to be done though it is here.
        var always = false
        /// What it was when it was fetched last.
        var layer: LayerID?
        /// Seconds since 1970.
        var pulled: Int64?
        /// Whether the pool had the name from somebody else before: it stays then.
        var isForeign = false
    }

    struct Content: Sendable, Codable, Equatable {
        var packages: [String: Record] = [:]
        /// When each layer was last used, by its id: seconds since 1970.
        var uses: [String: Int64] = [:]

        /// Forgets layers, and images of them, that aren't left.
        ///
        /// - Parameter before: what it was before it was looked what is left: what has come since is there.
        mutating func forget(allBut left: Set<String>, since before: Content) {
            uses = uses.filter { left.contains($0.key) || before.uses[$0.key] != $0.value }
            packages = packages.filter { name, record in
                record.isWanted || record.layer.map { left.contains($0.hex) } ?? false || before.packages[name] != record
            }
        }
    }

    let path: String

    init(stateDirectory: String) {
        path = "\(stateDirectory)/packages.json"
    }

    /// What can't be read is kept for people to look at, out of the way.
    func load(_ logger: Logger) -> Content {
        guard Files.exists(path) else { return Content() }
        do {
            return try StateFile.read(Content.self, path)
        } catch {
            let target = "\(Files.parent(of: path))/damaged/packages.json"
            try? Files.makeDirectories(Files.parent(of: target), mode: 0o700)
            rename(path, target)
            logger.error(
                "what was remembered of images can't be read and is set aside; what was to be fetched must be asked for again",
                metadata: ["error": "\(error)", "to": "\(target)"])
            return Content()
        }
    }

    func write(_ content: Content) throws { try StateFile.write(content, path) }
}
