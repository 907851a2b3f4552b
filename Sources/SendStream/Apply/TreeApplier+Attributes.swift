import CLinux
import Glibc
import Linux

/// Owners, modes, times and attributes.
extension TreeApplier {
    func setMode(_ path: [UInt8], _ mode: mode_t) throws {
        if try isNew(path, { $0.st_mode & 0o7777 == mode }) { return }
        try onObject(path, "set mode of") { descriptor, name in
            // With the flag, glibc goes through a descriptor that can't be a link's target.
            name.map { fchmodat(descriptor, $0, mode, CInt(AT_SYMLINK_NOFOLLOW)) } ?? fchmod(descriptor, mode)
        }
    }

    func setOwner(_ path: [UInt8], _ user: UInt64, _ group: UInt64) throws {
        guard let user = uid_t(exactly: user), let group = gid_t(exactly: group) else {
            throw CommandFault(.invalidValue, "the owner \(user):\(group) is beyond what files can have")
        }
        // Of a file with set-id bits it takes these away.
        if try isNew(path, { $0.st_uid == user && $0.st_gid == group && $0.st_mode & 0o6000 == 0 }) { return }
        try onObject(path, "set owner of") { descriptor, name in
            name.map { fchownat(descriptor, $0, user, group, CInt(AT_SYMLINK_NOFOLLOW)) } ?? fchown(descriptor, user, group)
        }
    }

    func setTimes(_ path: [UInt8], _ access: StreamCommand.Time, _ modification: StreamCommand.Time) throws {
        guard access.nanoseconds < 1_000_000_000, modification.nanoseconds < 1_000_000_000 else {
            throw CommandFault(.invalidValue, "a time has more nanoseconds than a second")
        }
        try onObject(path, "set times of") { descriptor, name in
            func set(_ name: UnsafePointer<CChar>) -> CInt {
                dish_set_times(
                    descriptor, name, access.seconds, access.nanoseconds, modification.seconds, modification.nanoseconds)
            }
            return name.map(set) ?? "".withCString(set)
        }
    }

    /// True if something holds of a file that was just made: to look costs a tenth of what it costs to set it again.
    private func isNew(_ path: [UInt8], _ holds: (stat) -> Bool) throws -> Bool {
        guard let file, file.isPlain, file.path == path else { return false }
        return holds(try status(of: file.descriptor, path))
    }

    /// Calls with a directory and a name in it, or with a descriptor of the object itself and no name.
    private func onObject(
        _ path: [UInt8], _ operation: String, _ body: (CInt, UnsafePointer<CChar>?) -> CInt
    ) throws {
        if let file, file.path == path {
            try retryingInterrupts(operation, shown(path)) { body(file.descriptor, nil) }
            return
        }
        let split = try StreamPath(path)
        let at = try tree.directory(split.parent)
        try retryingInterrupts(operation, shown(path)) {
            split.name.isEmpty ? body(at, nil) : withName(split.name) { body(at, $0) }
        }
    }

    /// Calls with a path that names the object for the calls that take no descriptor: the directory is pinned by its
    /// descriptor.
    func withObjectPath(
        _ path: [UInt8], _ operation: String, _ body: (UnsafePointer<CChar>, CInt) -> CInt
    ) throws {
        try onObject(path, operation) { descriptor, name in
            guard let name else { return "/proc/self/fd/\(descriptor)".withCString { body($0, 1) } }
            let bytes = UnsafeRawBufferPointer(start: name, count: strlen(name))
            return withName((Array("/proc/self/fd/\(descriptor)/".utf8) + bytes)[...]) { body($0, 0) }
        }
    }
}
