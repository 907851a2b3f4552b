import CLinux
import Glibc
import Layers
import Linux

/// Why this host can't start any task at present (docs/failures.md). Tasks that run go on, and what was kept from starting is
/// tried again: it isn't any task's fault.
struct HostTrouble: Error, CustomStringConvertible, Equatable {
    let description: String

    /// - Throws: `HostTrouble` when there is something in the way of every task.
    static func check(_ configuration: AgentConfiguration) throws(HostTrouble) {
        if let trouble = now(configuration) { throw trouble }
    }

    /// What is in the way of every task now.
    static func now(_ configuration: AgentConfiguration) -> HostTrouble? {
        let (helper, pool) = (configuration.helper, configuration.pool.path)
        if access(helper, X_OK) != 0 {
            let reason = String(cString: strerror(errno))
            return HostTrouble(
                description:
                    "no task can be started: the program '\(helper)' can't be run: \(reason); install dish-helper there; the tasks that run go on"
            )
        }
        var status = statvfs()
        guard statvfs(pool, &status) == 0 else {
            return HostTrouble(
                description:
                    "no task can be started: the pool '\(pool)' can't be reached: \(String(cString: strerror(errno))); what the kernel says of it: dmesg"
            )
        }
        guard status.f_flag & UInt(ST_RDONLY) == 0 else {
            return HostTrouble(
                description:
                    "no task can be started: the pool '\(pool)' is read-only; what the kernel says of it: dmesg; the tasks that run go on, and others start once it can be written to: mount -o remount,rw \(pool)"
            )
        }
        // As systemd-nspawn looks for them.
        var groups = dish_statfs()
        if let directory = try? OwnedFD.open("/sys/fs/cgroup", DISH_O_PATH | O_DIRECTORY),
            dish_fstatfs(directory.number, &groups) == 0, groups.type == sysfsType
        {
            return HostTrouble(
                description:
                    "no task can be started: no control groups are mounted at /sys/fs/cgroup, as it is inside of 'ip netns exec', which mounts a /sys of its own; start the agent with 'nsenter --net=/run/netns/NAME dishd', or mount them: mount -t cgroup2 cgroup2 /sys/fs/cgroup"
            )
        }
        return nil
    }

    /// SYSFS_MAGIC (linux/magic.h): what an empty /sys/fs/cgroup is.
    private static let sysfsType = 0x6265_6572

    /// Whether it is the host's fault that something could not be done for a task.
    static func isBehind(_ error: any Error) -> Bool {
        if error is HostTrouble { return true }
        guard let error = error as? SystemError else { return false }
        return [EROFS, ENOSPC, EIO, ENODEV, ENXIO, ENOMEM, EMFILE, ENFILE, EAGAIN].contains(error.code)
    }

    /// What went wrong in starting a task, with what to do about it where that isn't plain.
    static func explain(_ error: any Error, _ pool: Pool) -> String {
        guard let system = error as? SystemError, system.code == ENOSPC else { return "\(error)" }
        return
            "\(system); if it is the pool that is full, make room: dish image gc, dish rm TASK, dish volume rm NAME (see: dish pool usage \(pool.path))"
    }
}

extension AgentConfiguration {
    /// Why no task can be started at present; nil when some can.
    public var hindrance: String? { HostTrouble.now(self)?.description }
}
