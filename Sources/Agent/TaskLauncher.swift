import AgentAPI
import Btrfs
import Cgroups
import Glibc
import Layers
import Linux
import Networks
import Runtime
import Spec
import TaskAccess
import TaskHelper

/// Makes and unmakes on the host what a task needs. Knows nothing of states; every operation can be repeated.
struct TaskLauncher: Sendable {
    let configuration: AgentConfiguration
    let runtime: any Runtime

    var pool: Pool { configuration.pool }

    /// The snapshot with its quota, the network, and the helper, side by side. The helper waits for the word to start
    /// the container.
    ///
    /// - Parameter generation: the number of the run; those after the first go on with the root that is there.
    /// - Throws: `HostTrouble` when this host can't start any task at present; then nothing was begun.
    func prepare(_ task: TaskIntent, generation: Int) async throws {
        let configuration = configuration
        try await blocking { try HostTrouble.check(configuration) }
        async let network: Void = connect(task, again: generation > 1)
        async let helper: Void = startHelper(task, generation)
        async let entry: Void = blocking { try writeEntryFiles(of: task) }
        let pool = pool
        let intents = IntentStore(configuration)
        let runtime = runtime
        try await blocking {
            if generation == 1 {
                try pool.createTask(task.record, limit: task.request.limits.disk)
            } else {
                try pool.completeTask(task.record, limit: task.request.limits.disk)
            }
            intents.writeSpare(task)
            try TaskJournal(of: task, configuration)?.prepare()
            try makeMountPoints(of: task)
            let confinement = try TaskConfinement(task.request, hasAccount: task.account != nil)
            let allowed = Spawn.Capabilities(named: confinement.allowedToFiles, gainsNothing: false)
            try pool.limitFileCapabilities(of: task.record, to: allowed.bounding)
            try runtime.prepare(root: "\(pool.directory(ofTask: task.id))/rootfs")
        }
        try await network
        try await helper
        try await entry
    }

    private func connect(_ task: TaskIntent, again: Bool) async throws {
        guard let address = task.networkAddress else { return }
        // An agent that was killed may have begun.
        if again { try await release(task) }
        try await configuration.network.connect(task.id, address: address, ports: task.ports)
    }

    private func startHelper(_ task: TaskIntent, _ generation: Int) async throws {
        let spawn = try await blocking {
            let (spec, environment) = try helperSpec(task, generation)
            try spec.write()
            return spec.spawn(
                helper: configuration.helper, environment: environment, inUnit: Files.isDirectory("/run/systemd/system"))
        }
        guard spawn.detached else {
            var result = try await Command(spawn).run()
            // systemd may not be done yet with the unit of the run before.
            for _ in 0..<20 where !result.status.isSuccess && generation > 1 {
                try await Task.sleep(for: .milliseconds(100))
                result = try await Command(spawn).run()
            }
            if !result.status.isSuccess {
                throw AgentError(
                    .failed, "start the helper's unit: \(result.errorText.split(separator: "\n").joined(separator: "; "))")
            }
            return
        }
        _ = try await blocking { try spawn.start() }
    }

    /// Kills a task's helper and all that it looks after: for one that doesn't do what it is told.
    func endByForce(_ task: TaskIntent) throws {
        let state = configuration.state(of: task.id)
        let record = TaskRecovery(directory: state).lastRunning
        let isOfThisBoot = record?.boot == (try? ProcessIdentity.bootID())
        // Of a lock that nobody holds, the process may be another's since.
        let isHeld = FileLock.isHeld("\(state)/lock")
        let named = (try? Files.readText("\(state)/lock")).flatMap { ProcessIdentity($0.filter { $0 != "\n" }) }
        for process in [isHeld ? named : nil, isOfThisBoot ? record?.helper : nil] { process?.send(SIGKILL) }
        if isOfThisBoot { for process in [record?.runtime, record?.leader] { process?.send(SIGKILL) } }
        try TaskCgroup.existing(id: task.id, on: .current()).kill()
    }

    /// Ends what is left of a task whose helper is gone, or waits to start it.
    func killLeftovers(_ task: TaskIntent) async throws {
        let id = task.id
        let (socket, state) = (configuration.helperSocket(of: id), configuration.state(of: id))
        try await blocking {
            // One that has just been started, and doesn't hold the lock yet, finds that no run shall be.
            try? Files.replace(HelperSpec.generationFile(in: state), with: "0\n".utf8, durable: false)
            // Its word is that it is gone: nothing of it is touched while it is there.
            if FileLock.isHeld("\(state)/lock"), let helper = try? HelperConnection(socket, deadline: 1000) {
                _ = try? helper.sendNow(.stop(seconds: 0))
                if !helper.isGone(within: 15_000) { try endByForce(task) }
            }
            if let record = TaskRecovery(directory: configuration.state(of: id)).lastRunning,
                record.boot == (try? ProcessIdentity.bootID())
            {
                for process in [record.runtime, record.leader] { process?.send(SIGKILL) }
            }
            try TaskCgroup.existing(id: id, on: .current()).remove()
            unlink(configuration.helperSocket(of: id))
        }
    }

    /// Gives back what only a running task needs.
    func release(_ task: TaskIntent) async throws {
        let network = configuration.network
        try await blocking {
            guard task.address != nil else { return }
            try network.disconnect(task.id, address: task.networkAddress, ports: task.ports)
        }
    }

    /// Takes the rest away, the intent last.
    ///
    /// - Parameters:
    ///   - keepsLogs: whether its logs stay readable for a time.
    ///   - isRepeated: whether the caller tries again what fails because the host is short of something; else that is set aside.
    /// - Returns: what couldn't be removed, and is out of the way.
    @discardableResult
    func remove(_ task: TaskIntent, keepsLogs: Bool, isRepeated: Bool = true) async throws -> StuckEntry? {
        let pool = pool
        return try await blocking {
            // What couldn't be given back when the task ended is not forgotten with it.
            try configuration.network.removeNamespace(of: task.id)
            // A helper that was killed after it had recorded the end left it.
            try TaskCgroup.existing(id: task.id, on: .current()).remove()
            try Files.removeTree(configuration.runtime(of: task.id))
            if keepsLogs {
                try pool.keepLogs(
                    of: RemovedTask(task.record, created: task.created, removed: Int64(time(nil))), else: task.record)
            }
            let stuck = try pool.removeTask(task.record, isRepeated: isRepeated)
            try RemovedStates(configuration).take(task.id)
            return stuck
        }
    }

    func log(of id: String) -> String { "\(pool.logs(ofTask: id))/console.log" }

    /// Where the contents of its credentials are now. The runtime reads them: no command line has them.
    func credentials(_ task: TaskIntent) throws -> [Container.Credential] {
        let (own, host) = (SecretStore(configuration, task: task.id), SecretStore(configuration))
        return try (task.credentials ?? []).map { credential in
            let store = credential.secret == nil ? own : host
            let name = credential.secret ?? credential.name
            guard store.status(name) != nil else {
                throw AgentError(.failed, "the secret '\(name)' of task '\(task.name)' isn't there any more")
            }
            return Container.Credential(name: credential.name, path: store.path(of: name))
        }
    }
}
