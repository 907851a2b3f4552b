import AgentAPI
import Glibc
import Linux

/// The console of a task as its agent reports it: for who can't read its files.
struct AgentConsole {
    let agent: AgentClient
    let task: String
    let style: ConsoleLogStyle
    let times: JournalQuery.Times

    /// The most lines that the agent gives of the end alone.
    private static let lines = 2000

    /// Prints what is there and, with `follow`, what comes until the task has ended.
    func print(follow: Bool, tail: Int?) async throws {
        // Without a cursor only the end is read.
        let fromEnd = tail.map { $0 > 0 && $0 <= Self.lines && times.first == .min && times.last == .max } ?? false
        var answer = try await agent.console(task, after: fromEnd ? nil : "start", lines: tail ?? Self.lines)
        var entries = chosen(answer)
        while !answer.entries.isEmpty, tail != nil || !follow {
            answer = try await agent.console(task, after: answer.cursor)
            entries += chosen(answer)
            if tail == nil {
                for entry in entries { try show(entry) }
                entries = []
            }
        }
        for entry in tail.map({ entries.suffix($0) }) ?? entries[...] { try show(entry) }
        guard follow else { return }
        while true {
            // Asked before the log is read: what it wrote last is there then.
            let hasEnded = try await hasEnded()
            repeat {
                answer = try await agent.console(task, after: answer.cursor.isEmpty ? "start" : answer.cursor)
                for entry in chosen(answer) { try show(entry) }
            } while !answer.entries.isEmpty
            if hasEnded { return }
            try await Task.sleep(for: .milliseconds(300))
        }
    }

    private func hasEnded() async throws -> Bool {
        do {
            return try await agent.task(task).state.hasEnded
        } catch let error as AgentError where error.code == .notFound {
            return true
        }
    }

    private func chosen(_ answer: ConsoleLines) -> [ConsoleLines.Entry] { answer.entries.filter { times.contain($0.time) } }

    private func show(_ entry: ConsoleLines.Entry) throws {
        let target = entry.errors ? STDERR_FILENO : STDOUT_FILENO
        let line = Array(((style.timestamps ? "\(entry.time) " : "") + entry.text + (entry.partial ? "" : "\n")).utf8)
        try Files.write(style.raw || isatty(target) == 0 ? line : printable(line), to: target, "output")
    }
}
