import Glibc
import Layers
import Linux
import Manifest

/// Features that put whole trees into the image, by way of a work directory at its root.
extension ImageBuild {
    func unpack(_ tarball: Tarball, in root: String, at place: ManifestError.Place) async throws {
        let name = (tarball.source.value.path)
        step("unpack \(name)")
        try await inWorkDirectory(of: root, place) { work in
            note(
                try await Archive(inputs.path(of: tarball.source.value)).unpack(
                    into: "\(root)/\(work)", keepingOwners: false, strip: tarball.strip))
            try await blocking {
                let directory = try RootDirectory(root)
                let (user, group) = try Accounts.ids(tarball.owner, tarball.group, in: directory, for: place)
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
            try await blocking {
                let target = try RootDirectory(root)
                try Self.copy(clone.path, in: layer, of: clone.image, to: target, work)
                try target.graft("\(work)/item", at: clone.destination)
            }
        }
    }

    func extract(_ extraction: Extraction, in root: String, at place: ManifestError.Place) async throws {
        guard let layer = layers[extraction.image.value] else { return }
        step("take \(extraction.programs.joined(separator: " ")) from \(extraction.image.value)")
        let libraries = try await SharedLibraries(sandbox: sandbox, layer: layer).needed(
            by: extraction.programs, of: extraction.image, at: place)
        try await blocking { try claim(libraries, of: extraction, from: layer, at: place) }
        try await inWorkDirectory(of: root, place) { work in
            for path in extraction.programs + libraries {
                try await blocking {
                    let target = try RootDirectory(root)
                    try Self.copy(path, in: layer, of: extraction.image, to: target, work)
                    try target.graft("\(work)/item", at: path)
                }
            }
        }
    }

    /// What an extraction brings besides the programs it names provides paths as they do: no other feature may provide
    /// them, and another extraction only with the same content.
    private func claim(
        _ libraries: [String], of extraction: Extraction, from layer: String, at place: ManifestError.Place
    ) throws {
        for library in libraries {
            // Where /lib is a link to /usr/lib, both name one file.
            let names: [Provision] = [.path(library), library.hasPrefix("/usr/") ? .path(library) : .path("/usr\(library)")]
            let others = target.features.filter { $0.content != .extraction(extraction) }
            if let other = others.first(where: { !$0.provides.allSatisfy { !names.contains($0) } }) {
                throw ManifestError(
                    place,
                    "the library \(library), which the programs need, is provided at \(other.place) too; take one of them out")
            }
            let digest = try ContentHash.file(RootDirectory(layer).directory.openFile(inRoot: library), library)
            if let other = extracted.claim(library, digest, at: place) {
                throw ManifestError(
                    place,
                    "the library \(library) of \(extraction.image.value) is another one than that extracted at \(other); take both programs from one image"
                )
            }
        }
    }

    /// Copies what a path leads to in a layer, as `item` into a work directory; data is shared on disk.
    private static func copy(
        _ path: String, in layer: String, of image: Located<Label>, to target: borrowing RootDirectory, _ work: String
    ) throws {
        let source = try RootDirectory(layer)
        let top = try source.realPath("/")
        guard let real = try? source.realPath(path), real == top || real.hasPrefix(top + "/") else {
            throw ManifestError(image.place, "there is no '\(path)' in \(image.value)")
        }
        let below = String(real.dropFirst(top.count))
        let folder = try target.open(work, O_RDONLY | O_DIRECTORY)
        let directory =
            below.isEmpty
            ? try OwnedFD.open(Files.parent(of: layer), O_RDONLY | O_DIRECTORY)
            : try source.open(Files.parent(of: below), O_RDONLY | O_DIRECTORY)
        try TreeCopy.copy(Array(Files.name(of: real).utf8), in: directory, to: folder, as: Array("item".utf8)) {
            try Task.checkCancellation()
        }
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
