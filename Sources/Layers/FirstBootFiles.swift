import Glibc
import Linux

/// Files that belong to one task, made when it first booted: those of the image's first-boot units (docs/builder.md), the machine's id,
/// and the seed of random numbers.
///
/// All of it was written by whoever ran in the task: files are opened within the root and checked, and there is a bound on everything.
struct FirstBootFiles: ~Copyable {
    private let root: OwnedFD
    private static let units = "/usr/lib/systemd/system"
    private static let mostUnits = 100
    private static let longestUnit: Int64 = 65_536

    /// - Parameter root: a root file system that nobody else has.
    init(in root: String) throws(SystemError) { self.root = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY) }

    /// Removes them, so that a task booted from this root makes its own.
    func remove() throws {
        for (path, isDirectory) in try made() {
            if isDirectory { try empty(path) } else { try remove(path) }
        }
        try remove("/var/lib/systemd/random-seed")
        try forgetMachine()
    }

    /// The files that the units make, read from their conditions.
    private func made() throws -> [(path: String, isDirectory: Bool)] {
        guard let directory = try? root.open(inRoot: Self.units, O_RDONLY | O_DIRECTORY) else { return [] }
        var names: [String] = []
        try directory.forEachEntry { entry throws(SystemError) in
            let name = String(decoding: entry.name, as: UTF8.self)
            if name.hasPrefix("dish-first-boot-"), name.hasSuffix(".service") { names.append(name) }
            return names.count < Self.mostUnits
        }
        var made: [(String, Bool)] = []
        for name in names.sorted() {
            guard let file = try? root.open(inRoot: "\(Self.units)/\(name)", O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else { continue }
            let status = try file.status()
            guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= Self.longestUnit else { continue }
            for line in String(decoding: try Files.read(file, name), as: UTF8.self).split(separator: "\n") {
                for (key, isDirectory) in [("ConditionPathExists=|!", false), ("ConditionDirectoryNotEmpty=|!", true)] {
                    guard line.hasPrefix(key) else { continue }
                    made.append((String(line.dropFirst(key.count).replacing("%%", with: "%")), isDirectory))
                }
            }
        }
        return made
    }

    private func remove(_ path: String) throws {
        guard let directory = try? root.open(inRoot: Files.parent(of: path), O_RDONLY | O_DIRECTORY) else { return }
        let (number, name) = (directory.number, Files.name(of: path))
        if unlinkat(number, name, 0) == 0 { return }
        if errno == EPERM, try FileProtection.remove(of: Array(name.utf8), in: number), unlinkat(number, name, 0) == 0 { return }
        // A directory in its place is something else.
        guard ![ENOENT, EISDIR, ENOTDIR].contains(errno) else { return }
        throw SystemError("remove", path)
    }

    private func empty(_ path: String) throws {
        guard let directory = try? root.open(inRoot: path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else { return }
        try Files.emptyTree(directory)
    }

    /// An id of 32 digits; an empty file is one that is given at the boot (machine-id(5)).
    private func forgetMachine() throws {
        guard let file = try? root.open(inRoot: "/etc/machine-id", O_RDONLY | O_NOFOLLOW | O_NONBLOCK) else { return }
        let status = try file.status()
        guard status.st_mode & S_IFMT == S_IFREG, (32...33).contains(status.st_size) else { return }
        try file.removeProtection()
        let writable = try OwnedFD.open("/proc/self/fd/\(file.number)", O_WRONLY)
        let number = writable.number
        try retryingInterrupts("empty", "/etc/machine-id") { ftruncate(number, 0) }
    }
}
