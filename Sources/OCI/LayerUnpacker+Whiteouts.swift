import Glibc
import Linux

/// Whiteouts (image-spec, layer.md): they hide what the layers below have at a name, never what their own layer has put there, and
/// mean the same wherever they stand in the archive.
extension LayerUnpacker {
    /// The most bytes that the paths of deferred whiteouts have.
    private static let mostDeferredBytes = 16 << 20

    /// Takes an entry that means a removal, or that is a file system's own bookkeeping.
    ///
    /// - Returns: whether it was one.
    func takeWhiteout(_ path: EntryPath, _ entry: TarEntry) throws -> Bool {
        guard let index = path.components.firstIndex(where: { $0.starts(with: EntryPath.whiteout) }) else { return false }
        if index == path.components.count - 1 {
            try hide(path)
            return true
        }
        let name = path.components[index]
        guard name.starts(with: EntryPath.metadata) else {
            throw OCIError(.unsupported, "it lies below '\(shown(Array(name)))', which means a removal")
        }
        // What aufs keeps of files with several names: hard links of the archive lead there.
        guard index == 0, name.elementsEqual(EntryPath.linkedFiles), entry.kind == .file else { return true }
        hasLinkedFiles = true
        return false
    }

    private func hide(_ path: EntryPath) throws {
        let name = Array(path.name.dropFirst(EntryPath.whiteout.count))
        let isOpaque = path.name.elementsEqual(EntryPath.opaque)
        // What starts with it again is a file system's own bookkeeping.
        if !isOpaque, name.starts(with: EntryPath.whiteout) { return }
        guard !name.isEmpty, !name.elementsEqual(".".utf8), !name.elementsEqual("..".utf8) else {
            throw OCIError(.hostile, "a whiteout of '\(shown(name))'")
        }
        last = nil
        do {
            guard let parent = try root.openDirect(path.parent) ?? resolve(path.components.dropLast(), .below) else { return }
            try hide(name, isOpaque: isOpaque, in: parent)
        } catch is ThroughLink {
            // The same layer may still replace or remove the link, and then this means nothing.
            deferredBytes += path.joined.count + 64
            guard deferredBytes <= Self.mostDeferredBytes else {
                throw OCIError(.hostile, "more than \(Self.mostDeferredBytes >> 20) MiB of whiteouts below links")
            }
            deferred.append(path)
        }
    }

    /// Does what had to wait, the uppermost first, whatever order the archive had.
    func hideDeferred() throws {
        let paths = deferred.sorted { left, right in
            left.components.count != right.components.count
                ? left.components.count < right.components.count : left.joined.lexicographicallyPrecedes(right.joined)
        }
        for path in paths {
            guard let parent = try resolve(path.components.dropLast(), .belowAtLast) else { continue }
            let name = Array(path.name.dropFirst(EntryPath.whiteout.count))
            try hide(name, isOpaque: path.name.elementsEqual(EntryPath.opaque), in: parent)
        }
        (deferred, deferredBytes) = ([], 0)
    }

    private func hide(_ name: [UInt8], isOpaque: Bool, in parent: OpenedDirectory) throws {
        if isOpaque {
            try clear(parent)
        } else if let inner = try hide(name, in: parent) {
            try clear(inner)
        }
    }

    /// - Returns: a directory that this layer has put there, or has put something into: all else in it is still to be hidden.
    private func hide(_ name: [UInt8], in directory: OpenedDirectory) throws -> OpenedDirectory? {
        let number = directory.file.number
        guard let status = ImageRoot.status(of: name, in: number) else { return nil }
        if ImageRoot.isDirectory(status) {
            if own.contains(directory: UInt64(status.st_ino)) {
                let path = directory.path.isEmpty ? name : directory.path + [UInt8(ascii: "/")] + name
                return try OpenedDirectory(ImageRoot.openChild(name, in: number), path)
            }
        } else if own.contains(name, in: directory) {
            return nil
        }
        try keepTime(of: directory)
        try ImageRoot.remove(name, in: number)
        return nil
    }

    /// Hides what the layers below have in a directory, with one directory open at a time.
    private func clear(_ directory: OpenedDirectory) throws {
        var waiting = [directory.path]
        while let next = waiting.popLast() {
            try Cancellation.check()
            guard let opened = try root.openDirect(next) else { continue }
            for name in try ImageRoot.list(opened.file.number) {
                if let inner = try hide(name, in: opened) { waiting.append(inner.path) }
            }
        }
    }
}

/// Ways of names that lead through links.
extension LayerUnpacker {
    enum Walk {
        /// To where an entry belongs: missing directories are made.
        case making
        /// To where the layers below have something; what this layer has put there leads nowhere.
        case below
        /// The same, when all of the layer is there: links of the layers below are followed.
        case belowAtLast
    }

    /// A link of the layers below is on the way.
    struct ThroughLink: Error {}

    private static let mostLinks = 40

    /// The directory that a name leads to in the container.
    ///
    /// - Returns: nil where there is none; never for `making`.
    /// - Throws: `ThroughLink` for `below`.
    func resolve(_ components: some Sequence<ArraySlice<UInt8>>, _ walk: Walk) throws -> OpenedDirectory? {
        var waiting = Array(components.map(Array.init).reversed())
        // How many of those that wait are of the name itself.
        var left = waiting.count
        var trail: [[UInt8]] = []
        var current = try OpenedDirectory(root.directory.duplicate(), [])
        var links = 0
        while let name = waiting.popLast() {
            let isOfLink = waiting.count >= left
            if !isOfLink { left = waiting.count }
            if name.elementsEqual(".".utf8) { continue }
            if name.elementsEqual("..".utf8) {
                _ = trail.popLast()
                let path = Array(trail.joined(separator: [UInt8(ascii: "/")]))
                guard let above = try root.openDirect(path) else {
                    throw SystemError("open directory", shown(path), code: ENOENT)
                }
                current = above
                continue
            }
            let number = current.file.number
            var status = ImageRoot.status(of: name, in: number)
            if status == nil {
                guard walk == .making else { return nil }
                guard !isOfLink else { throw SystemError("open directory", shown(name), code: ENOENT) }
                try makeDirectory(name, in: current)
                status = ImageRoot.status(of: name, in: number)
            }
            switch (status?.st_mode ?? 0) & S_IFMT {
            case S_IFDIR:
                trail.append(name)
                current = try OpenedDirectory(
                    ImageRoot.openChild(name, in: number), Array(trail.joined(separator: [UInt8(ascii: "/")])))
            case S_IFLNK:
                if walk != .making {
                    if own.contains(name, in: current) { return nil }
                    if walk == .below { throw ThroughLink() }
                }
                links += 1
                guard links <= Self.mostLinks else { throw SystemError("open directory", shown(name), code: ELOOP) }
                let target = try ImageRoot.target(of: name, in: number)
                if target.first == UInt8(ascii: "/") {
                    trail = []
                    current = try OpenedDirectory(root.directory.duplicate(), [])
                }
                waiting += target.split(separator: UInt8(ascii: "/")).reversed().map(Array.init)
            default:
                guard walk == .making else { return nil }
                throw SystemError("open directory", shown(name), code: ENOTDIR)
            }
        }
        return current
    }
}
