import Linux
public import Manifest
import OCI

/// A folder tree with `IMAGES.yaml` files, and the images they define.
///
/// Files are read when a label asks for one of their images, so an error in a file nobody needs
/// stops nobody.
public struct Workspace: Sendable {
    /// The file that marks a workspace's root; it may be empty.
    public static let marker = "WORKSPACE"

    /// Absolute path.
    public let root: String

    /// The nearest folder at or above one that has a `WORKSPACE` file; without any, the folder itself.
    public init(around folder: String) {
        let start = Files.absolute(folder)
        var current = start
        while !Files.exists("\(current)/\(Self.marker)"), current != "/" { current = Files.parent(of: current) }
        root = Files.exists("\(current)/\(Self.marker)") ? current : start
    }

    /// One whose root is known.
    init(at root: String) { self.root = root }

    /// The folder of a label, or of nil the root, as an absolute path.
    public func path(of folder: String) -> String {
        folder.isEmpty ? root : "\(root)/\(folder)"
    }

    /// The folder's path from the root, when it lies in the workspace.
    public func folder(at path: String) -> String? {
        let path = Files.absolute(path)
        if path == root { return "" }
        return path.hasPrefix(root + "/") ? String(path.dropFirst(root.count + 1)) : nil
    }

    /// Images with those they need, each after those: its parent, and what it takes something from.
    ///
    /// - Throws: `ManifestError`; `BuildError` for a label there isn't.
    public func targets(_ labels: [Label]) throws -> [ImageTarget] {
        var graph = TargetGraph(workspace: self)
        for label in labels { try graph.add(label) }
        return graph.order
    }

    /// The workspace's folders, but for hidden ones, as absolute paths.
    public func folders() throws -> [String] {
        var found: [String] = []
        var waiting = [root]
        while let folder = waiting.popLast() {
            found.append(folder)
            for name in try Files.list(folder) where !name.hasPrefix(".") {
                let path = "\(folder)/\(name)"
                // A link may lead back to where it lies.
                if Files.isDirectory(path, followsLink: false) { waiting.append(path) }
            }
        }
        return found
    }

    /// All images of all files that need no values of parameters, in the order of their labels.
    public func allLabels() throws -> [Label] {
        var labels: [Label] = []
        var folders = [""]
        while let folder = folders.popLast() {
            let path = path(of: folder)
            for name in try Files.list(path) where !name.hasPrefix(".") {
                let inner = folder.isEmpty ? name : "\(folder)/\(name)"
                if name == ImageFile.name {
                    labels += try read(folder).definitions.filter { $0.isImage && $0.isUsableAsItIs }.map(\.label)
                } else if Files.isDirectory("\(path)/\(name)", followsLink: false), Label("//\(inner):x") != nil {
                    folders.append(inner)
                }
            }
        }
        return labels.sorted()
    }

    /// Bytes that are read of a file; what it may have is less (`YAMLDocument`).
    private static let largestFile = 4 << 20

    func read(_ folder: String) throws -> ImageFile {
        let path = "\(path(of: folder))/\(ImageFile.name)"
        let shown = folder.isEmpty ? ImageFile.name : "\(folder)/\(ImageFile.name)"
        return try ImageFile(
            String(decoding: try BlobFile.read(path, limit: Self.largestFile), as: UTF8.self), file: shown, folder: folder)
    }
}
