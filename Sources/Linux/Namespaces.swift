import CLinux
public import Glibc

/// The namespaces of processes (namespaces(7)).
public enum Namespaces {
    /// `CLONE_NEW…` flags of those that a process is in and this one isn't.
    public static func differing(from process: pid_t) throws(SystemError) -> CInt {
        let kinds = [
            ("user", DISH_CLONE_NEWUSER), ("mnt", DISH_CLONE_NEWNS), ("pid", DISH_CLONE_NEWPID), ("net", DISH_CLONE_NEWNET),
            ("uts", DISH_CLONE_NEWUTS), ("ipc", DISH_CLONE_NEWIPC), ("cgroup", DISH_CLONE_NEWCGROUP),
        ]
        var flags: CInt = 0
        for (name, flag) in kinds where try inode("/proc/self/ns/\(name)") != inode("/proc/\(process)/ns/\(name)") {
            flags |= flag
        }
        return flags
    }

    private static func inode(_ path: String) throws(SystemError) -> ino_t {
        var status = stat()
        try retryingInterrupts("look at", path) { stat(path, &status) }
        return status.st_ino
    }
}
