import Btrfs
import Glibc
import Layers
import Linux
import Runtime
import Synchronization

/// The most that one step of a build may use.
public struct StepLimits: Sendable {
    /// How long it may run.
    public var time: Duration = .seconds(3600)
    /// How many processes and threads it may have.
    public var processes: UInt64 = 8192
    /// How much memory its processes may use together, in bytes; by default three quarters of the host's.
    public var memory = UInt64(sysconf(Int32(_SC_PHYS_PAGES))) * UInt64(sysconf(Int32(_SC_PAGESIZE))) / 4 * 3

    public init() {}
}

/// The runtime as the steps of one build see it: each step is limited and written down, and the root as it was
/// before the last one is kept.
final class StepRuntime: Runtime {
    fileprivate struct State {
        var name = "prepare"
        var steps: [BuildRecord.Step] = []
        var began = ContinuousClock.now
        var isRunning = false
        /// True if the root that is being made lacks what the runtime took away for the last step.
        var isPrepared = false
        /// How often the kernel had killed something for its memory when the last step began.
        var killsBefore: UInt64 = 0
    }

    private let runtime: any Runtime
    private let limits: StepLimits
    /// The root that is being made.
    private let root: String
    /// Where its snapshot from before the current step is.
    let before: String
    /// What limits the memory of the steps; nil before the first one.
    private let memory = Mutex<StepMemory?>(nil)
    private let state = Mutex(State())

    init(_ runtime: any Runtime, limits: StepLimits, staged: StagingDirectory) {
        self.runtime = runtime
        self.limits = limits
        root = staged.root
        before = "\(staged.path)/before-step"
    }

    /// Names the steps that follow.
    func name(_ text: String) {
        state.withLock { state in
            state.end()
            state.name = text
        }
        // What fails is tried again by those who need the tree as it was.
        try? restore()
    }

    /// Puts back what the runtime took away from the root for the last step, which has ended, and takes away what was added for it.
    func restore() throws {
        guard state.withLock({ $0.isPrepared }) else { return }
        try SandboxHosts.remove(from: root, before: before)
        try runtime.restore(root: root, from: before)
        state.withLock { $0.isPrepared = false }
    }

    func pathTakenAway(from root: String) throws -> String? { try runtime.pathTakenAway(from: root) }

    /// Takes the sandbox's names out of the root before it is compared with what it was.
    func takeHostsAway() throws {
        if state.withLock({ $0.isPrepared }) { try SandboxHosts.remove(from: root, before: before) }
    }

    func spawn(_ container: Container) throws(RuntimeError) -> Spawn {
        var limited = BuildSandbox.sealed(container)
        limited.processLimit = limits.processes
        let memory = memory.withLock { memory in
            let made = memory ?? StepMemory(limit: limits.memory)
            memory = made
            return made
        }
        memory.limit(&limited)
        do {
            try restore()
            try Subvolume.deleteRecursively(before)
            // What the runtime takes away is still in it.
            try Subvolume.snapshot(root, to: before)
            if container.root == root {
                state.withLock { $0.isPrepared = true }
                try SandboxHosts.add(to: root)
            }
        } catch {
            throw RuntimeError(.invalid, "keep what is before the step: \(error)")
        }
        var spawn = try BuildSandbox.contained(limited, by: runtime)
        spawn.timeLimit = limits.time
        spawn.cgroups = memory.procs
        let (command, environment) = ([spawn.program] + spawn.arguments, spawn.environment)
        let kills = memory.kills
        state.withLock { state in
            state.end()
            state.killsBefore = kills
            state.steps.append(.init(name: state.name, command: command, environment: environment, seconds: 0))
            state.isRunning = true
            state.began = .now
        }
        return spawn
    }

    /// All steps so far; the last one has ended.
    func finish() -> [BuildRecord.Step] {
        state.withLock { state in
            state.end()
            return state.steps
        }
    }

    /// Whether the last step reached its limit of memory, and the kernel killed something of it.
    var hasReachedMemoryLimit: Bool {
        let kills = memory.withLock { $0?.kills ?? 0 }
        return state.withLock { kills > $0.killsBefore }
    }

    /// The step that runs now.
    var current: BuildRecord.Step? {
        state.withLock { $0.isRunning ? $0.steps.last : nil }
    }
}

extension StepRuntime.State {
    fileprivate mutating func end() {
        if isRunning { steps[steps.count - 1].seconds = seconds(since: began) }
        isRunning = false
    }
}

/// How long ago a moment was, in seconds.
func seconds(since start: ContinuousClock.Instant) -> Double {
    let elapsed = (ContinuousClock.now - start).components
    return Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
}
