import Glibc
public import Layers
import Linux

/// What a layer adds to its parent, in bytes of files: the biggest first.
public struct ImageUsage: Sendable, Codable {
    public struct Entry: Sendable, Codable, Equatable {
        public let name: String
        public let size: UInt64
    }

    public let layer: LayerID
    /// All that it adds or replaces.
    public let size: UInt64
    /// Each directory with all that is below it.
    public let directories: [Entry]
    public let files: [Entry]
    /// Packages that it adds or replaces, with the files of theirs that it has.
    public let packages: [Entry]

    /// - Parameter most: how many of each are listed.
    public init(of layer: Layer, in pool: Pool, most: Int) throws {
        let parent = try layer.parent.map { try pool.tree(of: $0) } ?? .empty
        let changes = try pool.tree(of: layer.id).changes(from: parent)
        var sizes: [String: UInt64] = [:]
        for change in changes where change.kind == .added || change.aspects.contains("content") {
            if let size = change.newSize { sizes[change.path] = size }
        }
        var directories: [String: UInt64] = [:]
        for (path, size) in sizes {
            var directory = Files.parent(of: path)
            while directory != "/" {
                directories[directory] = (directories[directory] ?? 0).saturatingAdd(size)
                directory = Files.parent(of: directory)
            }
        }
        self.layer = layer.id
        size = sizes.values.reduce(0) { $0.saturatingAdd($1) }
        self.directories = Self.biggest(directories, most)
        files = Self.biggest(sizes, most)
        packages = Self.biggest(try Self.packages(sizes, root: pool.root(of: layer.id)), most)
    }

    private static func biggest(_ sizes: [String: UInt64], _ most: Int) -> [Entry] {
        sizes.map { Entry(name: $0.key, size: $0.value) }
            .sorted { ($1.size, $0.name) < ($0.size, $1.name) }.prefix(most).map { $0 }
    }

    /// dpkg lists the files of each package in a file of the package's name.
    private static func packages(_ sizes: [String: UInt64], root path: String) throws -> [String: UInt64] {
        let root = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        var packages: [String: UInt64] = [:]
        let folder = "/var/lib/dpkg/info/"
        for list in sizes.keys where list.hasPrefix(folder) && list.hasSuffix(".list") {
            let name = list.dropFirst(folder.count).dropLast(5).prefix { $0 != ":" }
            // What isn't such a list has no files.
            guard let bytes = try? root.readFile(inRoot: list, limit: 16 << 20) else { continue }
            let text = String(decoding: bytes, as: UTF8.self)
            let total = text.split(separator: "\n").reduce(UInt64(0)) { $0.saturatingAdd(sizes[merged($1)] ?? 0) }
            packages[String(name)] = total
        }
        return packages
    }

    /// Packages may still name files by the links that a merged /usr has.
    private static func merged(_ path: Substring) -> String {
        for prefix in ["/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/"] where path.hasPrefix(prefix) {
            return "/usr\(path)"
        }
        return String(path)
    }
}
