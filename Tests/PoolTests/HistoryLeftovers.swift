import AgentAPI
import Btrfs
import Fixtures
import Glibc
import Layers
import Linux
import Synchronization

/// The leftovers of a history.
extension HistoryRun {
    /// The tasks, jobs and volumes that exist.
    func everything() async throws -> Set<String> {
        let inventory = try Inventory(pool: pool, of: host)
        let pool = try Pool(at: pool)
        try? pool.removeUnusedQuotaGroups()
        let groups = try pool.filesystem().quotaGroups().filter { $0.level == 1 }.map { "quota group \($0.number)" }
        let rules = try await Command("/usr/sbin/nft", ["--stateless", "list", "table", "ip", host.bridge]).run().text
        let places = ["tasks", "jobs"].flatMap { folder in
            ((try? Files.list("\(state)/\(folder)")) ?? []).map { "state of \(folder)/\($0)" }
        }
        let programs = Inventory.processes(mentioning: "/bin/sleep 86").filter { process in
            (History.tasks + History.jobs).contains { process.command.hasPrefix("/bin/sleep \(Self.program($0))") }
        }
        // Control groups are those of all agents of this machine.
        let ids = Set(try await host.events().compactMap(\.id))
        let things = inventory.beyond(.none).filter { !$0.hasPrefix("cgroup ") || ids.contains(Files.name(of: $0)) }
        return Set(things + groups + places + programs.map { "process \($0.pid) \($0.command)" })
            .union(rules.split(separator: "\n").map { "rule \($0)" })
    }

    /// Number of files that the idle agent has open.
    func descriptors() throws -> Int {
        guard let pid = agent.withLock({ $0?.pid }) else { throw FixtureError("there is no agent") }
        return try Files.list("/proc/\(pid)/fd").count
    }

    func removeAll() async throws {
        _ = try await host.dish("host", "undrain")
        for job in try await host.client.jobs() { try await host.client.remove(job: job.name) }
        for task in try await host.client.tasks() { try await host.client.remove(task.name, force: true, purge: true) }
        for secret in try await host.client.secrets() { try await host.client.remove(secret: secret.name) }
        for volume in History.volumes { _ = try await host.dish("volume", "rm", volume) }
        for name in History.names { _ = try await host.dish("image", "rm", name) }
        for task in try Pool(at: pool).removedTasks() { _ = try await host.dish("rm", "--purge", task.id) }
    }

    /// - Parameters:
    ///   - before: what there was before the history.
    ///   - descriptors: how many files the first agent had open then.
    func checkLeftovers(_ before: Set<String>, _ descriptors: Int) async throws {
        var left = ["?"]
        // The kernel takes namespaces and deleted subvolumes away a moment later; files close when their readers have ended.
        for _ in 0..<300 where !left.isEmpty {
            left = try await everything().filter { !before.contains($0) }
            let open = try self.descriptors()
            if open > descriptors + 4 { left.append("\(open) open files of the agent, which had \(descriptors)") }
            if !left.isEmpty { try await Task.sleep(for: .milliseconds(200)) }
        }
        for thing in left.sorted() { model.fail("left behind: \(thing)") }
        let aside = (try? Files.list("\(state)/damaged")) ?? []
        if !aside.isEmpty, damages.withLock({ $0 }) == 0 { model.fail("set aside without damage: \(aside)") }
    }

    /// Ends what a history that failed may have left running.
    func takeDown() {
        agent.withLock { $0 }?.kill()
        let ours =
            Inventory.processes(mentioning: host.runtimeDirectory) + Inventory.processes(mentioning: "--bridge \(host.bridge)")
        for process in ours where process.pid != getpid() { kill(process.pid, SIGKILL) }
        for mount in ((try? Mounts.list()) ?? []).reversed()
        where mount.path == state || mount.path.hasPrefix(host.runtimeDirectory) || mount.path.hasPrefix("\(pool)/") {
            try? Mounts.unmount(mount.path, flags: CInt(MNT_DETACH))
        }
    }
}
