import Linux
import Manifest

/// Features that put whole trees into the image, by way of a work directory at its root.
extension ImageBuild {
    func unpack(_ tarball: Tarball, in root: String, at place: ManifestError.Place) async throws {
        let name = (tarball.source.value.path)
        step("unpack \(name)")
        try await inWorkDirectory(of: root, place) { work in
            try await Archive(inputs.path(of: tarball.source.value)).unpack(
                into: "\(root)/\(work)", keepingOwners: false, strip: tarball.strip)
            try await blocking {
                let directory = try RootDirectory(root)
                let accounts = try Accounts(directory)
                let user = try accounts.user(tarball.owner, for: place)
                let group = try accounts.group(tarball.group, for: place)
                if user != 0 || group != 0 { try directory.own(work, user: user, group: group) }
                if !directory.isDirectory(tarball.destination) {
                    try directory.makeDirectory(tarball.destination, mode: 0o755, owner: user, group: group)
                }
                try directory.graft(work, at: tarball.destination)
            }
        }
    }

    func take(_ clone: Clone, in root: String, at place: ManifestError.Place) async throws {
        guard let layer = layers[clone.image.value] else { return }
        step("take \(clone.path) from \(clone.image.value)")
        try await inWorkDirectory(of: root, place) { work in
            let source = try await blocking { try Self.path(clone.path, in: layer, of: clone.image) }
            try await copy(source, to: "\(root)/\(work)/item")
            try await blocking { try RootDirectory(root).graft("\(work)/item", at: clone.destination) }
        }
    }

    func extract(_ extraction: Extraction, in root: String, at place: ManifestError.Place) async throws {
        guard let layer = layers[extraction.image.value] else { return }
        step("take \(extraction.programs.joined(separator: " ")) from \(extraction.image.value)")
        let libraries = try await SharedLibraries(sandbox: sandbox, layer: layer).needed(
            by: extraction.programs, of: extraction.image, at: place)
        try await inWorkDirectory(of: root, place) { work in
            for path in extraction.programs + libraries {
                let source = try await blocking { try Self.path(path, in: layer, of: extraction.image) }
                try await copy(source, to: "\(root)/\(work)/item")
                try await blocking { try RootDirectory(root).graft("\(work)/item", at: path) }
            }
        }
    }

    /// The path on the host of something in a layer.
    private static func path(_ path: String, in layer: String, of image: Located<Label>) throws -> String {
        guard let found = try? RootDirectory(layer).realPath(path) else {
            throw ManifestError(image.place, "there is no '\(path)' in \(image.value)")
        }
        return found
    }

    /// Copies with all attributes; the data is shared on disk.
    private func copy(_ source: String, to target: String) async throws {
        let result = try await Command("/bin/cp", ["--archive", "--reflink=auto", "--", source, target]).run()
        guard result.status.isSuccess else { throw BuildError(.path, "copy '\(source)': \(result.errorText)") }
    }

    private func inWorkDirectory(
        of root: String, _ place: ManifestError.Place, _ body: (_ name: String) async throws -> Void
    ) async throws {
        do {
            let work = try await blocking { try RootDirectory(root).makeWorkDirectory() }
            try await body(work)
            _ = try await blocking { try RootDirectory(root).remove("/\(work)") }
        } catch let error as SystemError {
            throw ManifestError(place, "\(error)")
        } catch let error as BuildError where error.code == .path {
            throw ManifestError(place, "\(error)")
        }
    }
}
