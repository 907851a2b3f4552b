import Glibc
import Linux

/// A group with all below it, which what runs in it may have nested deeper than any path can be: each is reached from the one above
/// it, by descriptor.
enum CgroupTree {
    private struct Level {
        let name: FileName
        let device: dev_t
        let inode: ino_t
        var waiting: [FileName]
    }

    /// Calls closures with a group and all below it.
    ///
    /// - Parameters:
    ///   - visit: called with each group's directory, before those below it.
    ///   - leave: called with each but the topmost, after those below it, by its name in the directory that it lies in.
    static func walk(
        _ path: String, visit: (borrowing OwnedFD) -> Void, leave: (FileName, borrowing OwnedFD) -> Void
    ) throws(SystemError) {
        var current = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        visit(current)
        var levels = [try level([], current)]
        while true {
            let last = levels.count - 1
            if let name = levels[last].waiting.popLast() {
                // One that is gone meanwhile needs nothing.
                guard let below = try? current.directory(name) else { continue }
                visit(below)
                levels.append(try level(name, below))
                current = below
                continue
            }
            guard last > 0 else { return }
            let done = levels.removeLast()
            let parent = try current.parentDirectory()
            let status = try parent.status()
            guard status.st_dev == levels[last - 1].device, status.st_ino == levels[last - 1].inode else {
                throw SystemError("walk through the groups below", path, code: ESTALE)
            }
            current = parent
            leave(done.name, current)
        }
    }

    private static func level(_ name: FileName, _ directory: borrowing OwnedFD) throws(SystemError) -> Level {
        let status = try directory.status()
        var names: [FileName] = []
        try directory.forEachEntry { entry throws(SystemError) in
            if entry.type == S_IFDIR { names.append(entry.name) }
            return true
        }
        return Level(name: name, device: status.st_dev, inode: status.st_ino, waiting: names)
    }

    /// Sends SIGKILL to every process in a group and below.
    static func kill(_ path: String) {
        if (try? Files.set("\(path)/cgroup.kill", "1")) != nil { return }
        // Kernels before 5.14 and v1 hierarchies have no cgroup.kill.
        try? walk(
            path,
            visit: { group in
                guard let file = try? group.open(beneath: "cgroup.procs", O_RDONLY),
                    let bytes = try? Files.read(file, "cgroup.procs")
                else { return }
                for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
                    if let process = pid_t(line), process > 0 { Glibc.kill(process, SIGKILL) }
                }
            }, leave: { _, _ in })
    }

    /// Removes a group and those below it, of which none has a process any more.
    ///
    /// - Returns: whether all are gone.
    static func remove(_ path: String) -> Bool {
        // Hardly any has others in it.
        if rmdir(path) == 0 || errno == ENOENT { return true }
        try? walk(
            path, visit: { _ in },
            leave: { name, parent in
                let number = parent.number
                _ = name.withCString { unlinkat(number, $0, CInt(AT_REMOVEDIR)) }
            })
        return rmdir(path) == 0 || errno == ENOENT
    }
}
