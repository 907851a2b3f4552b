import Cgroups
import Runtime
import Spec

/// The limit of memory of what runs in the sandbox: of all processes together where the host can limit a group of
/// them, else of each process.
struct StepMemory: Sendable {
    /// Bytes.
    private let limit: UInt64
    private let cgroup: StepCgroup?

    init(limit: UInt64) {
        self.limit = limit
        cgroup = (try? CgroupHost.current()).flatMap { StepCgroup(memory: limit, on: $0) }
    }

    /// Limits each process where nothing else can be limited.
    func limit(_ container: inout Container) {
        if cgroup == nil { container.dataLimit = limit }
    }

    /// The files a process writes itself into to be limited.
    var procs: [String] { cgroup?.procs ?? [] }

    /// How often the kernel killed something because the limit was reached.
    var kills: UInt64 { cgroup?.outOfMemoryKills ?? 0 }
}
