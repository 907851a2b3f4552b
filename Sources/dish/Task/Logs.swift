import AgentAPI
import ArgumentParser
import Glibc
import Layers
import Linux
import TaskHelper

struct Logs: AsyncParsableCommand, RemoteCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", _superCommandName: "dish", abstract: "Print what a task has written to its console, or its journal.",
        discussion: """
            The options from --journal on choose from the journal of a booted task, each as journalctl has it; --since and --until choose
            from the console of other tasks, too. Logs of removed tasks are kept for a time.

            A journal is read by root on the task's host; the console is also for others who may use the agent.

            Examples:
              dish logs web
              dish logs -f --tail 20 web
              dish logs web --unit nginx --priority warning --since 1h
              dish logs web --grep timeout -f
              dish logs --removed

            On a terminal, characters that would act on it are shown instead (ESC as ^[), and colours are left out; --raw prints all as the
            task wrote it.
            """)

    @Argument(help: "A task's name or id, also of one that was removed.", completion: .task)
    var task: String?
    @Flag(name: .shortAndLong, help: "Go on until the task ends.")
    var follow = false
    @Option(name: [.customShort("n"), .long], help: "Only so many of the last lines.")
    var tail: Int?
    @Flag(name: .shortAndLong, help: "Print the time of each line of the console.")
    var timestamps = false
    @Flag(help: "Print what the task wrote as it is on a terminal too: it can move the cursor, and make the terminal type.")
    var raw = false
    @Flag(help: "List removed tasks whose logs are kept.")
    var removed = false
    @OptionGroup var query: JournalQuery
    @OptionGroup var json: JSONOption

    func validate() throws {
        if let tail, tail < 0 { throw ValidationError("--tail must not be negative.") }
        if (task == nil) != removed { throw ValidationError("Give a task, or --removed for a list.") }
        if timestamps, query.asksForJournal {
            throw ValidationError("--timestamps is for the console; entries of a journal have theirs.")
        }
    }

    func run() async throws {
        guard let task else { return try await listRemoved() }
        let style = ConsoleLogStyle(timestamps: timestamps, raw: raw)
        // Files of tasks are root's, on the task's own host.
        guard geteuid() == 0, environmentVariable(RemoteOptions.host) == nil else {
            if query.asksForJournal {
                _ = try AgentClient.local(to: "read a journal")
                try requireRoot(to: "read a journal (the console needs none: dish logs \(task))")
            }
            let console = AgentConsole(agent: try AgentClient.host, task: task, style: style, times: try query.times())
            return try await console.print(follow: follow, tail: tail)
        }
        let source = try await LogSource(task)
        if query.asksForJournal || query.hasTimes && !timestamps && source.hasJournal {
            let (query, follow, tail, raw) = (query, follow, tail, raw)
            let code = try await blocking { try query.run(source, follow: follow && source.helper != nil, tail: tail, raw: raw) }
            throw ExitCode(code)
        }
        let (follow, tail, times) = (follow, tail, try query.times())
        try await blocking {
            var reader = ConsoleLogReader(source.console)
            var entries: [ConsoleLogEntry] = []
            while case let more = try reader.read(), !more.isEmpty { entries += more.filter { times.contain($0.time) } }
            for entry in tail.map({ entries.suffix($0) }) ?? entries[...] { try entry.print(style) }
            guard follow else { return }
            try source.whileItRuns {
                while case let more = try reader.read(), !more.isEmpty {
                    for entry in more where times.contain(entry.time) { try entry.print(style) }
                }
            }
        }
    }

    private func listRemoved() async throws {
        try requireRoot(to: "read logs of removed tasks")
        let tasks = try Pool(at: await AgentClient.local(to: "read logs").status().pool).removedTasks()
        if json.json { return try printJSON(tasks) }
        printTable(
            ["NAME", "ID", "IMAGE", "CREATED", "REMOVED"],
            tasks.map { [$0.name, $0.id, $0.image, age($0.created), age($0.removed)] })
    }
}
