import Glibc
import Layers
import Linux
import Manifest

/// What an image takes from the workspace. Small files are read once, so that what is hashed is what is put into the
/// image; archives are only hashed. Files whose digests are remembered aren't read until the image is built.
struct BuildInputs: Sendable {
    private var contents: [SourceFile: [UInt8]] = [:]
    /// Lower-case hexadecimal.
    private var digests: [SourceFile: String] = [:]
    /// The image a base of type `oci` names.
    private(set) var ociImage: OCIImage?
    private let target: ImageTarget
    private let workspace: Workspace
    private let remembered: InputDigests?

    /// - Parameters:
    ///   - remembered: digests of files that needn't be read; nil to read all.
    ///   - readsContents: whether small files are read in any case, as building needs them.
    /// - Throws: `ManifestError` naming the line that asks for a file that isn't there, or isn't what it must be.
    init(
        _ target: ImageTarget, in workspace: Workspace, remembered: InputDigests? = nil, readsContents: Bool = true
    ) throws {
        self.target = target
        self.workspace = workspace
        self.remembered = remembered
        for feature in target.features {
            switch feature.content {
            case .file(let file):
                if case .template(let source, let variables) = file.content { try check(source, variables) }
                if let source = file.content.source { try read(source, always: readsContents) }
            case .tarball(let tarball): try hash(tarball.source, expecting: tarball.sha256)
            default: continue
            }
        }
        switch target.origin {
        case .base(.tarball(let base)): try hash(base.source, expecting: base.sha256)
        case .base(.oci(let base)):
            ociImage = try OCIImage(
                layout: path(of: base.layout.value), reference: base.reference?.value, at: base.layout.place)
        default: break
        }
    }

    /// The same with the contents of small files, for the image to be built: as they are now.
    func withContents() throws -> BuildInputs { try BuildInputs(target, in: workspace, remembered: remembered) }

    /// The content of a file, its variables filled in.
    func bytes(of content: FileContent) throws -> [UInt8] {
        switch content {
        case .text(let text): return Array(text.utf8)
        case .source(let source): return contents[source.value] ?? []
        case .template(let source, let variables):
            return Array(try Self.fill(contents[source.value] ?? [], source, variables).utf8)
        }
    }

    private static func fill(
        _ content: [UInt8], _ source: Located<SourceFile>, _ variables: [String: String]
    ) throws -> String {
        do {
            return try Substitution.fill(String(decoding: content, as: UTF8.self), with: variables)
        } catch let fault {
            throw ManifestError(source.place, "the template '\(source.value.path)': \(fault)")
        }
    }

    /// Refuses a template that these variables don't fill. One that they were seen to fill isn't read again.
    private func check(_ source: Located<SourceFile>, _ variables: [String: String]) throws {
        let names = variables.keys.sorted().joined(separator: " ")
        try open(source) { file, path in
            let name = "\(path) with \(names)"
            guard let remembered, try remembered.digest(of: file, name) == nil else { return }
            try remembered.remembering(file, name) { file in
                _ = try Self.fill(try Files.read(file, path), source, variables)
                return ((), "")
            }
        }
    }

    /// What decides what is built: the digests of all inputs, by path, sorted.
    var fingerprints: [(name: String, digest: String)] {
        let files = digests.map { (name: "\($0.key.folder)/\($0.key.path)", digest: $0.value) }.sorted { $0.name < $1.name }
        return files + (ociImage.map { [(name: "oci image", digest: $0.digest)] } ?? [])
    }

    /// Absolute.
    func path(of source: SourceFile) -> String { "\(workspace.path(of: source.folder))/\(source.path)" }

    private mutating func read(_ source: Located<SourceFile>, always: Bool) throws {
        guard contents[source.value] == nil else { return }
        let remembered = remembered
        let (content, digest) = try open(source) { file, path -> ([UInt8]?, String) in
            if !always, let digest = try remembered?.digest(of: file, path) { return (nil, digest) }
            func read(_ file: borrowing OwnedFD) throws -> (([UInt8], String), digest: String) {
                let bytes = try Files.read(file, path)
                let digest = hexadecimal(ContentHash.bytes(bytes))
                return ((bytes, digest), digest)
            }
            guard let remembered else { return try read(file).0 }
            return try remembered.remembering(file, path, read)
        }
        contents[source.value] = content
        digests[source.value] = digest
    }

    private mutating func hash(_ source: Located<SourceFile>, expecting expected: Located<String>?) throws {
        let remembered = remembered
        let digest = try open(source) { file, path in
            if let digest = try remembered?.digest(of: file, path) { return digest }
            func hash(_ file: borrowing OwnedFD) throws -> (String, digest: String) {
                let digest = hexadecimal(try ContentHash.file(try file.duplicate(), path))
                return (digest, digest)
            }
            guard let remembered else { return try hash(file).0 }
            return try remembered.remembering(file, path, hash)
        }
        digests[source.value] = digest
        if let expected, expected.value != digest {
            throw ManifestError(
                expected.place,
                "'\(path(of: source.value))' has the SHA-256 \(digest); get the file that is meant, or write down this digest")
        }
    }

    private func open<Result>(
        _ source: Located<SourceFile>, _ body: (borrowing OwnedFD, String) throws -> Result
    ) throws -> Result {
        let full = path(of: source.value)
        do {
            let directory = try OwnedFD.open(workspace.path(of: source.value.folder), O_RDONLY | O_DIRECTORY)
            // Opening a pipe waits for a writer.
            let file = try directory.open(beneath: source.value.path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
            var status = stat()
            let number = file.number
            try retryingInterrupts("stat", full) { fstat(number, &status) }
            guard [S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) else {
                throw ManifestError(source.place, "the source '\(full)' is no regular file")
            }
            return try body(file, full)
        } catch let error as SystemError {
            switch error.code {
            case ENOENT: throw ManifestError(source.place, "the source file '\(full)' doesn't exist")
            case EISDIR: throw ManifestError(source.place, "the source '\(full)' is a directory; name its files one by one")
            case EXDEV: throw ManifestError(source.place, "the source '\(full)' leads out of the folder of this file")
            default: throw ManifestError(source.place, "\(error)")
            }
        }
    }
}
