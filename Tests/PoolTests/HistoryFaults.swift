import Fixtures
import Glibc
import Linux
import Synchronization
import TaskHelper

/// The faults of a history. Only processes of its own host are killed.
extension HistoryRun {
    func perform(_ fault: History.Fault) async {
        let begin = ContinuousClock.now
        do {
            switch fault {
            case .killAgent(let pause): try await replaceAgent(after: pause) {}
            case .killHelper(let place):
                if let helper = helper(place) { kill(helper.pid, SIGKILL) }
            case .killRuntime(let place):
                for child in children(place) { child.send(SIGKILL) }
            case .stopHelper(let place, let milliseconds):
                if let helper = helper(place), let process = ProcessIdentity(running: helper.pid) {
                    try await pause([process], milliseconds)
                }
            case .hangHelper(let place):
                if let helper = helper(place) { kill(helper.pid, SIGSTOP) }
            case .stopRuntime(let place, let milliseconds): try await pause(children(place), milliseconds)
            case .stopAgent(let milliseconds):
                if let process = agent.withLock({ $0.flatMap { ProcessIdentity(running: $0.pid) } }) {
                    try await pause([process], milliseconds)
                }
            case .killClient(let place):
                let clients = Inventory.processes(mentioning: "\(Programs.path("dish")) ").filter {
                    Self.parent(of: $0.pid) == getpid()
                }
                if !clients.isEmpty { kill(clients[place % clients.count].pid, SIGKILL) }
            case .fillState(let milliseconds):
                let filling = try fillState()
                try await Task.sleep(for: .milliseconds(milliseconds))
                unlink(filling)
            case .makeStateReadOnly(let milliseconds):
                try await makeReadOnly(state, milliseconds)
            case .makePoolReadOnly(let milliseconds): try await makeReadOnly(pool, milliseconds)
            case .damage(let kind, let place):
                try await replaceAgent(after: 0) { try damage(kind, place, since: begin) }
            }
        } catch {
            model.note("\(fault)", .failed("\(error)"), from: begin, to: .now)
            return
        }
        model.note("\(fault)", .done, from: begin, to: .now)
    }

    private func makeReadOnly(_ path: String, _ milliseconds: Int) async throws {
        try Mounts.mount(path, on: path, flags: UInt(MS_BIND))
        defer { try? Mounts.unmount(path, flags: CInt(MNT_DETACH)) }
        try Mounts.mount("none", on: path, flags: UInt(MS_REMOUNT | MS_BIND | MS_RDONLY))
        try await Task.sleep(for: .milliseconds(milliseconds))
    }

    /// Has processes stand still for a time. A number that is another's by then isn't touched.
    private func pause(_ processes: [ProcessIdentity], _ milliseconds: Int) async throws {
        for process in processes { process.send(SIGSTOP) }
        try await Task.sleep(for: .milliseconds(milliseconds))
        for process in processes { process.send(SIGCONT) }
    }

    private func children(_ place: Int) -> [ProcessIdentity] {
        guard let helper = helper(place) else { return [] }
        let children = (try? Files.readText("/proc/\(helper.pid)/task/\(helper.pid)/children")) ?? ""
        return children.split(separator: " ").compactMap { pid_t($0) }.compactMap { ProcessIdentity(running: $0) }
    }

    private static func parent(of process: pid_t) -> pid_t? {
        let status = (try? Files.readText("/proc/\(process)/status")) ?? ""
        return status.split(separator: "\n").first { $0.hasPrefix("PPid:") }.flatMap {
            pid_t($0.dropFirst(5).filter { $0 != "\t" })
        }
    }

    func helpers() -> [Inventory.Process] {
        Inventory.processes(mentioning: "\(host.runtimeDirectory)/tasks").filter { $0.command.contains("dish-helper ") }
    }

    private func helper(_ place: Int) -> Inventory.Process? {
        let all = helpers().sorted { $0.pid < $1.pid }
        return all.isEmpty ? nil : all[place % all.count]
    }

    /// Kills the agent, and starts another, which a state that can't be written may keep from coming up.
    func replaceAgent(after pause: Int, _ body: () throws -> Void) async throws {
        agent.withLock { $0 }?.kill()
        noteKill()
        try await Task.sleep(for: .milliseconds(pause))
        // What can't be damaged, in a state that is read-only, needs an agent too.
        let damage = Result { try body() }
        try await startAgent()
        try damage.get()
    }

    /// Takes all the room there is.
    private func fillState() throws -> String {
        let path = "\(state)/filling"
        let file = try OwnedFD.open(path, O_WRONLY | O_CREAT, mode: 0o600)
        let block = [UInt8](repeating: 1, count: 4096)
        while Glibc.write(file.number, block, block.count) > 0 {}
        return path
    }

    /// Damages one of the files of a kind. What can't be known afterwards the model is told.
    private func damage(_ kind: HistoryDamage, _ place: Int, since begin: ContinuousClock.Instant) throws {
        let (directory, name) =
            switch kind {
            case .intent: ("tasks", "task.json")
            case .run: ("tasks", "run.json")
            case .running: ("tasks", "running")
            case .exit: ("tasks", "exit")
            case .job: ("jobs", "")
            case .events: ("events", "log")
            }
        let places = ((try? Files.list("\(state)/\(directory)")) ?? []).sorted()
        let paths =
            switch kind {
            case .job: places.filter { $0.hasSuffix(".json") }.map { "\(state)/jobs/\($0)" }
            case .events: ["\(state)/events/log"]
            default: places.map { "\(state)/tasks/\($0)/\(name)" }
            }
        let there = paths.filter { Files.exists($0) }
        guard !there.isEmpty else { return }
        let path = there[place % there.count]
        // A part of a line at the end, as a power cut leaves it; or nothing but what is no file of ours.
        let file = try OwnedFD.open(path, O_WRONLY | (kind == .events ? O_APPEND : O_TRUNC))
        try Files.write("{\"damaged".utf8, to: file.number, path)
        damages.withLock { $0 += 1 }
        switch kind {
        case .run:
            // The file beside it may say whose it was.
            let intent = (try? Files.readText("\(Files.parent(of: path))/task.json")) ?? ""
            for name in History.tasks where intent.contains("\"\(name)\"") || intent.isEmpty {
                model.write(name, nil, .failed("damaged"), from: begin, to: .now, "damage to \(name)'s run")
            }
        case .job:
            let job = String(Files.name(of: path).dropLast(5))
            lostJobs.withLock { _ = $0.insert(job) }
        case .intent, .running, .exit, .events: break
        }
    }
}
