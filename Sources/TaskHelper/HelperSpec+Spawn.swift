public import Cgroups
public import Linux
import Spec

extension HelperSpec {
    /// The start of a helper that outlives its starter; `write` comes before. The task's name is for people who list processes.
    ///
    /// - Parameters:
    ///   - helper: the path of `dish-helper`.
    ///   - inUnit: whether systemd is process 1: the helper gets a transient unit of its own.
    public func spawn(helper: String, environment: [String: String], inUnit: Bool) -> Spawn {
        guard inUnit, let systemdRun = Executable.find("systemd-run") else {
            var spawn = Spawn(helper, [file, name], environment: environment)
            spawn.newSession = true
            spawn.detached = true
            return spawn
        }
        let properties = [
            "Delegate=yes", "KillMode=mixed", "TasksMax=infinity", "OOMPolicy=continue", "TimeoutStopSec=100",
        ]
        let arguments = Arguments().flag("quiet", "collect").option("service-type", "exec")
            .option("unit", "dish-\(id).service").option("slice", "dish.slice")
            .option("description", "Butterdish task \(name) (\(id))")
            .options("property", properties + Self.unitProperties(limits))
            .options("setenv", environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
            .end([helper, file, name].map(Self.literal))
        return Spawn(systemdRun, arguments)
    }

    /// What of the limits is the unit's: systemd has the group that stands beside those of other tasks, and would overwrite
    /// what others write there.
    ///
    /// - Parameter everything: whether what has its default is said too, of a unit that had something else.
    public static func unitProperties(_ limits: CgroupLimits, everything: Bool = false) -> [String] {
        let settings: [(name: String, value: UInt64?)] = [
            ("CPUWeight", limits.limits.cpuWeight), ("IOWeight", limits.limits.ioWeight),
            ("MemoryMin", limits.limits.memoryMin.flatMap { $0 > 0 ? $0 : nil }),
            ("MemoryLow", limits.limits.memoryLow.flatMap { $0 > 0 ? $0 : nil }),
        ]
        return settings.compactMap { name, value in
            if let value { return "\(name)=\(value)" }
            return everything ? "\(name)=\(name.hasPrefix("Memory") ? "0" : "")" : nil
        }
    }

    /// An argument as systemd takes it for what it is: it would put variables in for `$` (systemd.service(5), "Command lines").
    static func literal(_ argument: String) -> String {
        argument.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$")
    }
}
