import CLinux
import Glibc
public import Linux

/// Writes files of a tree that others may be changing as a tar archive. No link is followed, and what a name is, is asked
/// of what was opened by it.
public final class TreePacker {
    private let writer: TarWriter
    private let firstID: UInt32
    /// What isn't in the archive as it is on disk, and why.
    public private(set) var warnings: [String] = []

    /// Larger files are looked through for holes.
    private static let sparseSize: UInt64 = 64 << 20
    /// Directories in one another. Two descriptors are open for each.
    private static let mostLevels = 400
    /// File systems of the kernel's own: proc, sysfs, cgroup, cgroup2, debugfs, tracefs (statfs(2)).
    private static let kernelTypes: Set<UInt32> = [0x9fa0, 0x6265_6572, 0x27_e0eb, 0x6367_7270, 0x6462_6720, 0x7472_6163]

    /// - Parameters:
    ///   - descriptor: where the archive goes.
    ///   - firstID: the id on disk of the archive's user 0; the 65,536 from it on are known.
    public init(to descriptor: CInt, firstID: UInt32) {
        writer = TarWriter(descriptor)
        self.firstID = firstID
    }

    /// Adds a file, or a directory with all in it.
    ///
    /// - Parameters:
    ///   - source: opened with `O_PATH`.
    ///   - name: in the archive; empty for what is in a directory without itself.
    public func add(_ source: borrowing OwnedFD, as name: String) throws {
        let bytes = Array(name.utf8)
        try add(source, bytes, device: nil, level: 0)
    }

    /// Ends the archive.
    public func finish() throws { _ = try writer.finish() }

    private func add(_ source: borrowing OwnedFD, _ path: [UInt8], device: dev_t?, level: Int) throws {
        var status = stat()
        let number = source.number
        try retryingInterrupts("read", shown(path)) { fstat(number, &status) }
        var entry = TarEntry(path: path, kind: .file)
        entry.mode = status.st_mode & 0o7777
        (entry.user, entry.group) = (inside(status.st_uid), inside(status.st_gid))
        (entry.seconds, entry.nanoseconds) = (Int64(status.st_mtim.tv_sec), UInt32(status.st_mtim.tv_nsec))
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            entry.size = UInt64(max(0, status.st_size))
            try addFile(source, entry)
        case S_IFDIR:
            if let device, device != status.st_dev, try isKernels(source, path) { return }
            entry.kind = .directory
            if !path.isEmpty { try writer.add(entry) }
            try addChildren(source, path, status.st_dev, level)
        case S_IFLNK:
            (entry.kind, entry.link) = (.symbolicLink, try target(of: source, path))
            try writer.add(entry)
        case S_IFIFO:
            entry.kind = .fifo
            try writer.add(entry)
        default:
            warnings.append("left out: '\(shown(path))' is a \(status.st_mode & S_IFMT == S_IFSOCK ? "socket" : "device")")
        }
    }

    private func addChildren(_ source: borrowing OwnedFD, _ path: [UInt8], _ device: dev_t, _ level: Int) throws {
        guard level < Self.mostLevels else {
            let start = shown(Array(path.prefix(60)))
            let advice = "copy a directory below it, or pack it inside with tar"
            throw OCIError(.hostile, "copy '\(start)…': its directories are more than \(Self.mostLevels) deep; \(advice)")
        }
        let number = source.number
        let directory = OwnedFD(
            adopting: try retryingInterrupts("open directory", shown(path)) {
                dish_openat(number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
            })
        let opened = directory.number
        for name in try ImageRoot.list(opened) {
            let child = withBytes(name) { dish_openat(opened, $0, DISH_O_PATH | O_NOFOLLOW | O_CLOEXEC, 0) }
            // Removed meanwhile.
            if child < 0, errno == ENOENT { continue }
            guard child >= 0 else { throw SystemError("open", shown(name)) }
            try add(
                OwnedFD(adopting: child), path.isEmpty ? name : path + [UInt8(ascii: "/")] + name, device: device,
                level: level + 1)
        }
    }

    private func addFile(_ source: borrowing OwnedFD, _ given: TarEntry) throws {
        var entry = given
        // Through its descriptor: the name may mean something else by now.
        let file = try OwnedFD.open("/proc/self/fd/\(source.number)", O_RDONLY)
        let content = FileBlocks(file.number, size: entry.size, shown(entry.path))
        if entry.size >= Self.sparseSize {
            let regions = try content.regions()
            if regions.reduce(0, { $0 + $1.length }) <= entry.size / 2 { entry.regions = regions }
        }
        try writer.add(entry)
        let regions = entry.regions ?? [.init(offset: 0, length: entry.size)]
        var isShort = false
        for region in regions { isShort = try !copy(region, of: file.number, entry.path) || isShort }
        try writer.pad(regions.reduce(0) { $0 + $1.length })
        if isShort { warnings.append("'\(shown(entry.path))' was cut short while it was read; its rest is zeros in the copy") }
    }

    /// - Returns: whether the file had all of it.
    private func copy(_ region: TarEntry.Region, of file: CInt, _ path: [UInt8]) throws -> Bool {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var position = region.offset
        let end = region.offset + region.length
        var isWhole = true
        while position < end {
            let wanted = Int(min(UInt64(buffer.count), end - position))
            var count =
                isWhole
                ? try retryingInterrupts("read", shown(path)) { pread(file, buffer.baseAddress, wanted, off_t(position)) } : 0
            if count == 0 {
                isWhole = false
                buffer.initializeMemory(as: UInt8.self, repeating: 0)
                count = wanted
            }
            try writer.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            position += UInt64(count)
        }
        return isWhole
    }

    private func target(of link: borrowing OwnedFD, _ path: [UInt8]) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let number = link.number
        let count = try retryingInterrupts("read link", shown(path)) {
            buffer.withUnsafeMutableBytes {
                readlinkat(number, "", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            }
        }
        return Array(buffer[..<count])
    }

    private func isKernels(_ directory: borrowing OwnedFD, _ path: [UInt8]) throws -> Bool {
        var status = dish_statfs()
        let number = directory.number
        try retryingInterrupts("read", shown(path)) { dish_fstatfs(number, &status) }
        guard Self.kernelTypes.contains(status.type) else { return false }
        warnings.append("left out: '\(shown(path))' is the kernel's")
        return true
    }

    private func inside(_ id: UInt32) -> UInt32 {
        if firstID == 0 { return id }
        return id >= firstID && id - firstID < 65536 ? id - firstID : 65534
    }
}
