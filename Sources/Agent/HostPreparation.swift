import Linux

/// What many containers need of a host beyond its defaults.
enum HostPreparation {
    private static let inotify = "/proc/sys/fs/inotify/max_user_instances"
    private static let inotifyInstances = 8192

    /// Says what it changed. What can't be changed is left: containers run without, fewer or with a complaint.
    static func apply() -> [String] {
        var changes: [String] = []
        // Each booted systemd holds several inotify instances, and the kernel counts them all to root.
        if let text = try? Files.readText(inotify), let now = Int(text.filter { !$0.isWhitespace }), now < inotifyInstances,
            (try? Files.set(inotify, "\(inotifyInstances)")) != nil
        {
            changes.append("raised fs.inotify.max_user_instances from \(now) to \(inotifyInstances)")
        }
        return changes
    }
}
