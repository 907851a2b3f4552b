import CLinux
import Glibc
import Linux
import TaskHelper

/// The mount namespace in which the runtime starts: the host's, with what the program is given in places that only the host's root
/// can change (docs/security.md, "What is mounted").
enum PrivateMounts {
    /// Makes the namespace for this process and what it starts.
    ///
    /// - Throws: `SystemError` for what isn't there, or what a link leads out of.
    static func make(_ spec: HelperSpec) throws(SystemError) {
        try retryingInterrupts("create mount namespace") { dish_unshare(DISH_CLONE_NEWNS) }
        // What the host unmounts from now on goes here too; what is mounted here is seen by nobody else.
        try Mounts.mount("none", on: "/", flags: UInt(MS_REC | MS_SLAVE))
        try Files.makeDirectories(spec.mountDirectory, mode: 0o700)
        try mountMemory(on: spec.mountDirectory, mode: "0700")
        for mount in spec.mounts { try attach(mount, at: spec.path(ofMount: mount.name)) }
        if let start = spec.start {
            // It can be run inside, and not read: it has variables in it.
            try write(start.content, to: spec.path(ofMount: "start"), mode: 0o111)
            // Of the container's root, as which the program begins.
            if start.endFile != nil { try write([], to: spec.path(ofMount: "end"), mode: 0o600, owner: spec.userBase) }
        }
        try writeCredentials(spec)
        for directory in spec.privateDirectories {
            if directory.hasPrefix("/run/") { try Files.makeDirectories(directory) }
            if Files.isDirectory(directory) { try mountMemory(on: directory, mode: "0755") }
        }
        for (path, content) in spec.files { try write(Array(content.utf8), to: path, mode: 0o600) }
        leaveOthers(spec)
    }

    /// On hosts whose mounts aren't shared, what the host unmounts stays in this namespace: a device or a network namespace would be
    /// in use until the task ends. So what the runtime doesn't need is taken out of it.
    private static func leaveOthers(_ spec: HelperSpec) {
        guard let mounts = try? Mounts.list(), mounts.first(where: { $0.path == "/" })?.isShared == false else { return }
        let needed =
            ([spec.networkNamespace, spec.program.first, spec.log].compactMap { $0 }) + [
                spec.stateDirectory, spec.runtimeDirectory,
            ]
        let system = ["/usr", "/etc", "/lib", "/lib64", "/bin", "/sbin", "/nix", "/gnu"]
        for mount in mounts.reversed() where mount.path != "/" {
            guard
                mount.source.hasPrefix("/dev/")
                    || ["nsfs", "overlay", "nfs", "nfs4", "9p", "virtiofs", "zfs"].contains(mount.type)
            else { continue }
            func isBelow(_ path: String, _ top: String) -> Bool { path == top || path.hasPrefix(top + "/") }
            if needed.contains(where: { isBelow($0, mount.path) }) || system.contains(where: { isBelow(mount.path, $0) }) {
                continue
            }
            if isBelow(mount.path, spec.mountDirectory) { continue }
            try? Mounts.unmount(mount.path, flags: CInt(MNT_DETACH))
        }
    }

    /// As systemd-nspawn gives them to a booted image, but to the program's user.
    private static func writeCredentials(_ spec: HelperSpec) throws(SystemError) {
        guard !spec.credentials.isEmpty else { return }
        let directory = spec.path(ofMount: "credentials")
        try Files.makeDirectories(directory, mode: 0o500)
        try retryingInterrupts("set owner of", directory) { chown(directory, spec.programUser, spec.userBase) }
        for (name, path) in spec.credentials {
            try write(try Files.read(path), to: "\(directory)/\(name)", mode: 0o400, owner: spec.programUser)
        }
    }

    private static func mountMemory(on path: String, mode: String) throws(SystemError) {
        try Mounts.mount("tmpfs", on: path, type: "tmpfs", flags: UInt(MS_NOSUID | MS_NODEV), data: "mode=\(mode),size=16m")
    }

    private static func attach(_ mount: HelperMount, at place: String) throws(SystemError) {
        let source = try open(mount)
        var status = stat()
        let number = source.number
        try retryingInterrupts("look at", mount.base) { fstat(number, &status) }
        if status.st_mode & S_IFMT == S_IFDIR {
            try Files.makeDirectories(place, mode: 0o700)
        } else {
            try write([], to: place, mode: 0o600)
        }
        let copy = OwnedFD(adopting: try retryingInterrupts("open mount", mount.base) { dish_clone_mount(number) })
        let tree = copy.number
        try retryingInterrupts("forbid devices in", mount.base) { dish_forbid_devices(tree) }
        try retryingInterrupts("mount '\(mount.base)' on", place) { dish_attach_mount(tree, place) }
    }

    private static func open(_ mount: HelperMount) throws(SystemError) -> OwnedFD {
        let base =
            mount.baseIsResolved ? try withoutLinks(mount.base) : try OwnedFD.open(mount.base, DISH_O_PATH)
        if mount.path.isEmpty { return base }
        return mount.baseIsRoot ? try base.open(inRoot: mount.path, DISH_O_PATH) : try base.open(beneath: mount.path, DISH_O_PATH)
    }

    private static func withoutLinks(_ path: String) throws(SystemError) -> OwnedFD {
        var how = open_how()
        how.flags = UInt64(DISH_O_PATH | O_CLOEXEC)
        how.resolve = UInt64(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
        return OwnedFD(adopting: try retryingInterrupts("open", path) { dish_openat2(AT_FDCWD, path, &how) })
    }

    private static func write(_ content: [UInt8], to path: String, mode: mode_t, owner: uid_t = 0) throws(SystemError) {
        let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        try Files.write(content, to: file.number, path)
        let number = file.number
        try retryingInterrupts("set mode of", path) { fchmod(number, mode) }
        if owner != 0 { try retryingInterrupts("set owner of", path) { fchown(number, owner, owner) } }
    }
}
