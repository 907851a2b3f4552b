/// A name in an archive, checked: no way out of the root, nothing that a file system or a walk over the tree couldn't
/// take.
struct EntryPath: Sendable {
    /// Without empty components and `.`; none for the root itself.
    let components: [ArraySlice<UInt8>]

    private static let lengthLimit = 4095
    private static let depthLimit = 400

    /// - Throws: `OCIError` `.hostile`.
    init(_ path: [UInt8]) throws {
        // Zero would end the name for the kernel, and not for us.
        guard !path.contains(0) else { throw OCIError(.hostile, "the name '\(shown(path))' has a zero byte in it") }
        guard path.count <= Self.lengthLimit else {
            throw OCIError(.hostile, "a name of \(path.count) bytes: \(shown(Array(path.prefix(60))))…")
        }
        components = path.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual(".".utf8) }
        guard !components.contains(where: { $0.elementsEqual("..".utf8) }) else {
            throw OCIError(.hostile, "the name '\(shown(path))' leads out of the image")
        }
        guard components.count <= Self.depthLimit else {
            throw OCIError(.hostile, "a name \(components.count) directories deep: \(shown(Array(path.prefix(60))))…")
        }
        if let long = components.first(where: { $0.count > 255 + 4 || $0.count > 255 && !$0.starts(with: Self.whiteout) }) {
            throw OCIError(
                .hostile, "a name of \(long.count) bytes, of which a file system takes 255: \(shown(Array(long.prefix(60))))…")
        }
    }

    private init(_ components: [ArraySlice<UInt8>]) {
        self.components = components
    }

    /// The path without its first components; nil when there is nothing else.
    func dropping(_ count: Int) -> EntryPath? {
        if count == 0 { return self }
        return components.count > count ? EntryPath(Array(components.dropFirst(count))) : nil
    }

    static let whiteout = Array(".wh.".utf8)
    /// Hides all that the layers below have in a directory.
    static let opaque = Array(".wh..wh..opq".utf8)
    /// The prefix of entries that a file system writes for itself.
    static let metadata = Array(".wh..wh.".utf8)
    /// The directory in which aufs has the files that have several names.
    static let linkedFiles = Array(".wh..wh.plnk".utf8)

    var name: [UInt8] { components.last.map(Array.init) ?? [] }
    var parent: [UInt8] { Array(components.dropLast().joined(separator: [UInt8(ascii: "/")])) }
    var joined: [UInt8] { Array(components.joined(separator: [UInt8(ascii: "/")])) }
}
