import Glibc
import Linux
import TaskHelper

/// Finding the first process of a booted container from outside.
enum ContainerLeader {
    /// The process that is number 1 where it runs, and whose program comes from a root file system: until then the runtime is
    /// still at work there. Nil when there is none until the deadline.
    ///
    /// - Parameter root: a subvolume that nothing else runs from; as each has a device number, nothing else can be meant.
    static func find(root: String, until deadline: ContinuousClock.Instant) async throws -> ProcessIdentity? {
        while ContinuousClock.now < deadline {
            if let leader = try await blocking({ try find(root: root) }) { return leader }
            try await Task.sleep(for: .milliseconds(50))
        }
        return nil
    }

    static func find(root: String) throws -> ProcessIdentity? {
        let device = try device(root)
        return try Files.list("/proc").lazy.compactMap { pid_t($0) }.compactMap { pid -> ProcessIdentity? in
            let identity = ProcessIdentity(running: pid)
            // It is the one that was looked at as long as it runs.
            guard (try? Self.device("/proc/\(pid)/exe")) == device, isFirst(pid), identity?.isRunning == true else { return nil }
            return identity
        }.first
    }

    private static func device(_ path: String) throws -> dev_t {
        var status = stat()
        try retryingInterrupts("look at", path) { stat(path, &status) }
        return status.st_dev
    }

    /// The last of a process's numbers is the one it has in its own PID namespace (proc_pid_status(5)).
    private static func isFirst(_ pid: pid_t) -> Bool {
        let status = (try? Files.readText("/proc/\(pid)/status")) ?? ""
        let numbers = status.split(separator: "\n").first { $0.hasPrefix("NSpid:") }?.split(separator: "\t").dropFirst()
        return (numbers?.count ?? 0) > 1 && numbers?.last == "1"
    }
}
