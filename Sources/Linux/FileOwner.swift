import CLinux
public import Glibc

/// Whom new files belong to (setfsuid(2)).
///
/// A mount that maps ids, as a container's does, takes no new file of a user who has no id there; and the host's root has none. So what is
/// made in a container from outside is made as its root.
public enum FileOwner {
    /// Runs a body on this thread, whose new files belong to a user. It keeps its capabilities.
    ///
    /// - Throws: `SystemError` where that is not allowed; what the body throws.
    public static func with<Result: ~Copyable>(user: uid_t, group: gid_t, _ body: () throws -> Result) throws -> Result {
        try retryingInterrupts("make files as user", String(user)) { dish_own_new_files(user, group) }
        defer { _ = dish_own_new_files(geteuid(), getegid()) }
        return try body()
    }
}
