import AgentAPI
import Glibc
import Layers
import Linux
import Networks
import Runtime
import Seccomp
import Spec
import TaskHelper

/// What a task's helper is told: the container, and what the host mounts for it.
extension TaskLauncher {
    /// - Returns: what to write for the helper, and the environment of the helper and the runtime.
    func helperSpec(_ task: TaskIntent, _ generation: Int) throws -> (HelperSpec, environment: [String: String]) {
        var spec = HelperSpec(
            id: task.id, name: task.name, stateDirectory: configuration.state(of: task.id),
            runtimeDirectory: configuration.runtime(of: task.id), log: log(of: task.id), program: [])
        let host = try HostResources.current(pool)
        var container = try container(task, generation, &spec)
        container.processLimit = host.processLimit(of: task)
        let program = try runtime.spawn(container)
        spec.program = [program.program] + program.arguments
        spec.privateDirectories = runtime.privateDirectories
        if container.hasPrivateFiles { spec.files = try runtime.privateFiles(container) }
        spec.filters = try Self.refusals.get().programs
        spec.generation = generation
        spec.limits = host.effective(task.request, configuration.resources)
        spec.oomScore = HostResources.oomScore(task.request.class)
        spec.requiresDevicePolicy = task.userBase == nil
        spec.networkNamespace = program.networkNamespace
        spec.userBase = task.userBase ?? 0
        spec.boots = task.boots
        spec.stopSignal = task.stopSignal.map { Int32($0) } ?? spec.stopSignal
        spec.terminal = task.request.terminal
        spec.input = task.request.interactive
        // Who attached to the first run doesn't know of the others.
        spec.waitsForClient = task.request.attach && generation == 1
        spec.durable = !task.request.removeWhenDone
        return (spec, program.environment)
    }

    /// What no container may do, and systemd-nspawn lets pass.
    private static let refusals = Result { () throws(SystemError) in try SystemCallFilter.refusals() }

    private func container(_ task: TaskIntent, _ generation: Int, _ spec: inout HelperSpec) throws -> Container {
        let request = task.request
        spec.mounts.append(HelperMount("root", base: "\(pool.directory(ofTask: task.id))/rootfs"))
        var container = Container(root: spec.path(ofMount: "root"), name: task.name, program: .boot)
        switch request.network {
        case .private: container.network = .namespace(configuration.network.namespace(of: task.id))
        case .host: container.network = .host
        case .none: container.network = .none
        }
        container.console = task.boots ? .output : request.terminal ? .terminal : .pipe
        container.confinement = .init(try TaskConfinement(request, hasAccount: task.account != nil))
        container.userBase = task.userBase
        container.machineID = task.machineID
        let credentials = try credentials(task)
        container.credentials = credentials
        container.directory = request.directory
        container.resolvesNames = request.network != .none
        container.environment = request.environment
        if let command = request.command {
            if StartProgram.isAvailable {
                spec.start = startProgram(task, command)
                container.environment = [:]
                container.program = .command([StartProgram.path])
                container.isFirstProcess = true
                container.binds.append(.init(spec.path(ofMount: "start"), at: StartProgram.path, mapsOwners: false))
                container.binds.append(
                    .init(spec.path(ofMount: "end"), at: StartProgram.endPath, readOnly: false, mapsOwners: false))
            } else {
                container.program = .command(command)
                container.user = request.user
                container.hasPrivateFiles = !request.environment.isEmpty
            }
        } else {
            container.hasPrivateFiles = !request.environment.isEmpty
        }
        if try keepsRuntimeDirectory(task, generation) {
            container.keepsRuntimeDirectories = true
            spec.mounts.append(
                HelperMount(
                    "run", base: "\(pool.directory(ofTask: task.id))/rootfs", path: Self.runtimeDirectory, baseIsRoot: true))
            container.binds.append(.init(spec.path(ofMount: "run"), at: Self.runtimeDirectory, readOnly: false))
            // `dish ssh` puts keys there, which are nothing for the root's disk.
            container.memory.append(.init(at: "\(Self.runtimeDirectory)/host/dish-ssh", size: 1 << 20))
            // The runtime's own would be below the root's /run.
            if !credentials.isEmpty {
                container.credentials = []
                spec.credentials = Dictionary(credentials.map { ($0.name, $0.path) }) { $1 }
                container.binds.append(.init(spec.path(ofMount: "credentials"), at: "/run/host/credentials", mapsOwners: false))
            }
        }
        addBinds(of: task, to: &container, &spec)
        return container
    }

    /// The command with the variables that systemd-nspawn gives, unless the task has its own.
    private func startProgram(_ task: TaskIntent, _ command: [String]) -> StartProgram {
        var variables = [
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root",
            "USER": "root",
            "LOGNAME": "root", "container": "systemd-nspawn", "NOTIFY_SOCKET": "/run/host/notify",
        ]
        var uuid = task.machineID
        for place in [8, 13, 18, 23] where uuid.utf8.count > place {
            uuid.insert("-", at: uuid.index(uuid.startIndex, offsetBy: place))
        }
        variables["container_uuid"] = uuid
        if task.credentials?.isEmpty == false { variables["CREDENTIALS_DIRECTORY"] = "/run/host/credentials" }
        variables.merge(task.request.environment) { $1 }
        return StartProgram(
            endFile: StartProgram.endPath, identity: task.account?.identity,
            candidates: task.account.map { [$0.program] }
                ?? StartProgram.candidates(for: command[0], in: variables["PATH"] ?? ""),
            arguments: command, environment: variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
    }

    private func addBinds(of task: TaskIntent, to container: inout Container, _ spec: inout HelperSpec) {
        /// Mounts something for the container alone; what is bound there can't become something else.
        func bind(_ mount: HelperMount, at path: String, readOnly: Bool = true, mapsOwners: Bool = true) {
            var mount = mount
            mount.name = "bind-\(spec.mounts.count)"
            spec.mounts.append(mount)
            container.binds.append(
                .init(spec.path(ofMount: mount.name), at: path, readOnly: readOnly, mapsOwners: mapsOwners))
        }
        func host(_ path: String) -> HelperMount { HelperMount("", base: path) }
        // Names of other tasks, where the image doesn't bring its own.
        let hosts = configuration.hosts
        if task.request.network == .private, !HostsFile.isOwn(root: pool.root(of: task.layer)), (try? hosts.ensure()) != nil {
            bind(host(hosts.path), at: "/etc/hosts", mapsOwners: false)
        }
        for path in task.immutable ?? [] {
            bind(HelperMount("", base: pool.root(of: task.layer), path: String(path.drop { $0 == "/" })), at: path)
        }
        for mount in task.mounts ?? [] {
            if let path = mount.host { bind(allowed(path, task), at: mount.path, readOnly: mount.readOnly) }
            if let size = mount.tmpfs {
                container.memory.append(.init(at: mount.path, size: size, readOnly: mount.readOnly))
            }
        }
        for own in TaskJournal(of: task, configuration)?.binds ?? [] {
            bind(host(own.source), at: own.target, readOnly: own.readOnly, mapsOwners: own.mapsOwners)
        }
        for volume in task.volumes ?? [] {
            bind(host(pool.data(ofVolume: volume.volume)), at: volume.path, readOnly: volume.readOnly)
        }
    }

    /// A path of the host that was allowed: below what whoever started the task said, which no link inside leads out of.
    private func allowed(_ path: String, _ task: TaskIntent) -> HelperMount {
        let base = task.allowedBases?.filter { path == $0 || path.hasPrefix($0 == "/" ? "/" : $0 + "/") }.max {
            $0.utf8.count < $1.utf8.count
        }
        guard let base else { return HelperMount("", base: path, baseIsResolved: true) }
        let rest = String(path.dropFirst(base.count).drop { $0 == "/" })
        return HelperMount("", base: base, path: rest, baseIsResolved: true)
    }
}
