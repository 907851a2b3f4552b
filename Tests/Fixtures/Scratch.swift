import Glibc
import Linux

/// Directories for one run of the tests. They go at the end of the process; what a killed run left, the next one
/// takes away.
public enum Scratch {
    private static let parent = "/var/tmp/dish-tests"

    /// Where this process keeps its things.
    public static let directory: String = {
        let path = "\(parent)/\(getpid())"
        do {
            try Files.makeDirectories(parent, mode: 0o700)
            for name in try Files.list(parent) {
                if let pid = pid_t(name), kill(pid, 0) != 0 { tearDown("\(parent)/\(name)") }
            }
            try Files.makeDirectories(path, mode: 0o700)
        } catch {
            fatalError("make \(path): \(error)")
        }
        atexit { Scratch.tearDown("\(Scratch.parent)/\(getpid())") }
        return path
    }()

    /// A new empty directory.
    public static func make(_ name: String) throws -> String {
        let path = "\(directory)/\(name)-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
        try Files.makeDirectories(path, mode: 0o700)
        return path
    }

    /// Ends the agents that were started below a directory, unmounts what is mounted there and removes it.
    static func tearDown(_ path: String) {
        for process in Inventory.processes(mentioning: path) where process.pid != getpid() {
            kill(process.pid, SIGKILL)
        }
        for _ in 0..<100 where Inventory.processes(mentioning: path).contains(where: { $0.pid != getpid() }) { usleep(20_000) }
        for mount in ((try? Mounts.list()) ?? []).reversed() where mount.path.hasPrefix(path + "/") {
            try? Mounts.unmount(mount.path, flags: CInt(MNT_DETACH))
        }
        try? Files.removeTree(path)
    }
}
