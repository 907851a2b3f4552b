import Glibc
import Layers
import Linux
import Manifest

/// The content of the files an image takes from the workspace, read once, so that what is hashed is what is
/// put into the image.
struct BuildInputs: Sendable {
    private let sources: [String: [UInt8]]
    private let digests: [String: String]

    /// - Throws: `ManifestError` naming the line that asks for a file that isn't there.
    init(_ target: ImageTarget, in workspace: Workspace) throws {
        let folder = workspace.path(of: target.label.folder)
        var sources: [String: [UInt8]] = [:]
        for content in target.files.map(\.content) + target.units.map(\.content) {
            guard case .source(let path, let place) = content, sources[path] == nil else { continue }
            sources[path] = try Self.read(path, below: folder, place)
        }
        self.sources = sources
        digests = sources.mapValues { hexadecimal(ContentHash.bytes($0)) }
    }

    func bytes(of content: ImageTarget.Content) -> [UInt8] {
        switch content {
        case .text(let text): Array(text.utf8)
        case .source(let path, _): sources[path] ?? []
        }
    }

    func digest(of content: ImageTarget.Content) -> String {
        switch content {
        case .text(let text): hexadecimal(ContentHash.bytes(text.utf8))
        case .source(let path, _): digests[path] ?? ""
        }
    }

    private static func read(_ path: String, below folder: String, _ place: ManifestError.Place) throws -> [UInt8] {
        let full = "\(folder)/\(path)"
        do {
            let directory = try OwnedFD.open(folder, O_RDONLY | O_DIRECTORY)
            let file = try directory.open(beneath: path, O_RDONLY)
            return try Files.read(file, full)
        } catch {
            switch error.code {
            case ENOENT: throw ManifestError(place, "the source file '\(full)' doesn't exist")
            case EISDIR: throw ManifestError(place, "the source '\(full)' is a directory; name its files one by one")
            case EXDEV: throw ManifestError(place, "the source '\(full)' leads out of the folder of this file")
            default: throw ManifestError(place, "\(error)")
            }
        }
    }
}
