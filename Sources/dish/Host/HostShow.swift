import AgentAPI
import ArgumentParser

struct HostShow: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what this host has, what of it is set aside, and what is used.",
        discussion: """
            Examples:
              dish host show
              dish host show --json
            """)

    @OptionGroup var json: JSONOption

    func run() async throws {
        let host = try await AgentClient.host.host()
        if json.json { return try printJSON(host) }
        print("\(host.name): \(host.tasks) tasks", to: .output)
        printTable(
            ["", "TOTAL", "SYSTEM", "SET ASIDE", "FREE", "LIMITS' SUM", "USED"],
            [
                row("CPUs", host.cpu, cpus), row("memory", host.memory, { shownBytes($0) }),
            ])
        if let disk = host.disk {
            print("pool: \(shownBytes(disk.available)) of \(shownBytes(disk.total)) available", to: .output)
        }
        print("limits of memory may add up to \(host.overcommit) times what there is for tasks", to: .output)
        for (name, pressure) in [("CPU", host.pressure.cpu), ("memory", host.pressure.memory), ("I/O", host.pressure.io)] {
            guard let some = pressure?.some else { continue }
            print(
                "stalled for \(name): \(percent(some.average10)) of 10 s, \(percent(some.average60)) of a minute, \(percent(some.average300)) of 5 minutes",
                to: .output)
        }
        if let drain = host.drain {
            print("drained \(age(drain.since)): \(printable(drain.reason))", to: .output)
        }
        if let scheduler = host.scheduler { print(printable(scheduler.line), to: .output) }
        if let packages = try? await AgentClient.host.packages() { print(packages.line, to: .output) }
        for reason in host.unenforceable { print("not enforceable: \(reason)", to: .output) }
    }

    private func row(_ name: String, _ resource: HostCapacity.Resource, _ shown: (UInt64) -> String) -> [String] {
        [
            name, shown(resource.total), shown(resource.system), shown(resource.reserved), shown(resource.free),
            shown(resource.committed), resource.used.map(shown) ?? "-",
        ]
    }
}

extension SchedulerStatus {
    /// One line that says how the host stands to it.
    var line: String {
        guard state != .builtIn else { return "scheduler: built in" }
        var text = "scheduler: \(name), \(state.rawValue), epoch \(epoch), revision \(revision)"
        text += silence.map { ", last answer \($0 / 1000) s ago" } ?? ", not heard of since the host's start"
        if refusals > 0 { text += ", \(refusals) answers of lower epochs refused" }
        if let reason { text += " (\(reason))" }
        if !held.isEmpty { text += "; jobs that wait for it: \(held.joined(separator: " "))" }
        return text
    }
}

struct HostList: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List hosts with what is set aside and used: this one.")

    @OptionGroup var json: JSONOption

    func run() async throws {
        let hosts = [try await AgentClient.host.host()]
        if json.json { return try printJSON(hosts) }
        printTable(
            ["NAME", "TASKS", "CPUS", "SET ASIDE", "USED", "MEMORY", "SET ASIDE", "USED"],
            hosts.map { host in
                [
                    host.name, "\(host.tasks)", cpus(host.cpu.total), cpus(host.cpu.reserved), host.cpu.used.map(cpus) ?? "-",
                    shownBytes(host.memory.total), shownBytes(host.memory.reserved), shownBytes(host.memory.used),
                ]
            })
    }
}
