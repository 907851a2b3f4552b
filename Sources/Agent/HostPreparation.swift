import CLinux
import Glibc
import Linux

/// What many containers need of a host beyond its defaults.
enum HostPreparation {
    private static let inotify = "/proc/sys/fs/inotify/max_user_instances"
    private static let inotifyInstances = 8192
    private static let nspawn = "/run/systemd/nspawn"
    private static let tmpfs: UInt32 = 0x0102_1994

    /// Says what it changed. What can't be changed is left: containers run without, fewer or with a complaint.
    static func apply() -> [String] {
        var changes: [String] = []
        // Each booted systemd holds several inotify instances, and the kernel counts them all to root.
        if let text = try? Files.readText(inotify), let now = Int(text.filter { !$0.isWhitespace }), now < inotifyInstances,
            (try? Files.set(inotify, "\(inotifyInstances)")) != nil
        {
            changes.append("raised fs.inotify.max_user_instances from \(now) to \(inotifyInstances)")
        }
        // systemd-nspawn takes it that /run is a tmpfs, as systemd makes it, and complains into each task's output where it isn't.
        if !isTmpfs("/run"), !isTmpfs(nspawn), (try? Files.makeDirectories(nspawn)) != nil,
            (try? Mounts.mount("tmpfs", on: nspawn, type: "tmpfs", data: "mode=0755,size=16m")) != nil
        {
            changes.append("mounted a tmpfs on \(nspawn)")
        }
        return changes
    }

    /// Takes the mount away, when no task is left.
    static func undo() {
        if !isTmpfs("/run"), isTmpfs(nspawn) { try? Mounts.unmount(nspawn) }
    }

    private static func isTmpfs(_ path: String) -> Bool {
        guard let directory = try? OwnedFD.open(path, O_RDONLY | O_DIRECTORY) else { return false }
        var status = dish_statfs()
        return dish_fstatfs(directory.number, &status) == 0 && status.type == tmpfs
    }
}
