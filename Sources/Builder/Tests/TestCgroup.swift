import Cgroups
import Glibc
import Layers
import Linux
import Spec
import TaskHelper

/// The control group of a container that a test boots: systemd-nspawn needs one of its own to boot in a user namespace.
///
/// Where systemd is process 1 it is a scope, which goes with its last process. Elsewhere it is named after the pool and the test's
/// staging directory, so that what a killed process left can be told from what is in use.
struct TestCgroup: Sendable {
    private enum Kind {
        case scope(systemdRun: String, name: String)
        case group(TaskCgroup)
    }

    private let kind: Kind
    /// Bytes.
    private let memory: UInt64
    /// On hosts without the v2 controller, whose own hierarchy limits the memory beside these groups.
    private let legacy: StepMemory?

    /// - Parameter memory: bytes that all processes in it may use together.
    init(for staged: StagingDirectory, in pool: Pool, memory: UInt64) throws {
        let host = try CgroupHost.current()
        let name = Self.prefix(pool) + Files.name(of: staged.path)
        self.memory = memory
        legacy = host.controllers.contains("memory") ? nil : StepMemory(limit: memory)
        if host.hasSystemd, let systemdRun = Executable.find("systemd-run") {
            kind = .scope(systemdRun: systemdRun, name: "dish-\(name).scope")
        } else {
            let group = try Self.make(name, on: host)
            try group.apply(CgroupLimits(Limits(memory: memory)))
            kind = .group(group)
        }
    }

    /// How often the kernel killed something in it because the limit of memory was reached.
    var kills: UInt64 {
        if let legacy { return legacy.kills }
        switch kind {
        case .group(let group): return group.outOfMemoryKills()
        case .scope(_, let name):
            guard let unified = try? CgroupHost.current().unified else { return 0 }
            return TaskCgroup.outOfMemoryKills(in: "\(unified)/dish.slice/\(name)")
        }
    }

    /// Another test that ends may just be taking the directory above away.
    private static func make(_ name: String, on host: CgroupHost) throws -> TaskCgroup {
        var attempts = 0
        while true {
            do {
                return try TaskCgroup.create(id: name, boots: true, on: host)
            } catch let error as SystemError where error.code == ENOENT && attempts < 100 {
                attempts += 1
            }
        }
    }

    /// Starts a program in it.
    func enclosing(_ spawn: Spawn) -> Spawn {
        var inside = spawn
        switch kind {
        case .group(let group): inside.cgroups = group.procs + (legacy?.procs ?? [])
        case .scope(let systemdRun, let name):
            inside.program = systemdRun
            let properties = ["Delegate=yes", "MemoryMax=\(memory)", "MemorySwapMax=0"]
            inside.arguments =
                Arguments().flag("scope", "quiet", "collect").option("unit", name).option("slice", "dish.slice")
                .options("property", properties).option("description", "A test of an image")
                .end([spawn.program] + spawn.arguments).list
        }
        return inside
    }

    /// The files of processes that join the running container: what they use counts too.
    func joining() throws -> [String] {
        switch kind {
        case .group(let group): return try group.execProcs() + (legacy?.procs ?? [])
        case .scope(_, let name):
            guard legacy == nil, let unified = try CgroupHost.current().unified else { return legacy?.procs ?? [] }
            let leaf = "\(unified)/dish.slice/\(name)/exec"
            try Files.makeDirectories(leaf)
            return ["\(leaf)/cgroup.procs"]
        }
    }

    /// Ends what is left in it, waits up to five seconds for that, and takes it away.
    ///
    /// - Parameter root: what its processes run from.
    func remove(endingAllOn root: String) throws {
        switch kind {
        case .group(let group): group.remove()
        case .scope:
            // It ends with the process that dish started; its first process is the last to go.
            for _ in 0..<500 {
                guard let leader = try ContainerLeader.find(root: root) else { return }
                leader.send(SIGKILL)
                usleep(10_000)
            }
        }
    }

    /// Removes the groups of tests whose staging directory is gone.
    static func removeLeftovers(in pool: Pool) throws {
        let host = try CgroupHost.current()
        guard !host.hasSystemd else { return }
        let prefix = prefix(pool)
        for root in [host.unified, host.named].compactMap({ $0 }) {
            for name in (try? Files.list("\(root)/dish")) ?? [] where name.hasPrefix(prefix) {
                // The directory is made before the group and removed after it.
                guard !pool.hasStaged(String(name.dropFirst(prefix.count))) else { continue }
                TaskCgroup.existing(id: name, on: host).remove()
            }
        }
    }

    /// Another pool's tests are not this one's business.
    private static func prefix(_ pool: Pool) -> String {
        "test-\(hexadecimal(ContentHash.bytes("\(pool.filesystemUUID) \(pool.path)".utf8).prefix(6)))-"
    }
}
