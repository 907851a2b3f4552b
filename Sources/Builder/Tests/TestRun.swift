import Btrfs
import Layers
import Linux
import Manifest
import Runtime
import TaskAccess

/// One run of a test.
struct TestRun: Sendable {
    let test: TestCase
    let pool: Pool
    let runtime: any Runtime
    let limits: StepLimits
    let transcript: Transcript

    /// - Parameter onOutput: called with what the test prints, as it comes.
    init(
        test: TestCase, pool: Pool, runtime: any Runtime, limits: StepLimits, onOutput: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.test = test
        self.pool = pool
        self.runtime = runtime
        self.limits = limits
        transcript = Transcript(onOutput)
    }

    /// What isn't as it should be: first of the tree, then of what runs.
    ///
    /// - Throws: `CancellationError`, and what keeps the test from being run.
    func failures() async throws -> [TestFailure] {
        let (test, pool) = (test, pool)
        let failures = try await blocking { try TreeCheck(test, in: pool).failures() }
        guard test.test.runsSomething else { return failures }
        return try await failures + run()
    }

    private func run() async throws -> [TestFailure] {
        let (test, pool, runtime, limits) = (test, pool, runtime, limits)
        let copy = try await blocking { try TestCopy(of: test.layer, in: pool, runtime: runtime, limits: limits) }
        let outcome: Result<[TestFailure], any Error>
        do {
            outcome = .success(try await run(in: copy))
        } catch {
            outcome = .failure(error)
        }
        try await blocking { try copy.staged.remove() }
        return try outcome.get()
    }

    private func run(in copy: TestCopy) async throws -> [TestFailure] {
        guard let boot = test.test.boot else {
            let failures = try await run(test.test.commands) { try copy.command($0) }
            return copy.kills > 0 ? failures + [copy.memoryFailure(test.test.name.place)] : failures
        }
        return try await BootedCopy.use(copy, boot, transcript: transcript) { booted in
            try await run(test.test.commands) { try booted.command($0) }
        }
    }

    /// Runs commands until one doesn't do as expected.
    private func run(
        _ commands: [Located<TestCommand>], _ prepare: @Sendable (TestCommand) throws -> Command
    ) async throws -> [TestFailure] {
        for command in commands {
            transcript.append(Array("$ \(command.value.shown)\n".utf8))
            var running: Command
            do {
                running = try prepare(command.value)
            } catch  where error is BuildError || error is TaskAccessError || error is SystemError {
                return [TestFailure(command.place, expected: "'\(command.value.shown)' to run", seen: "\(error)")]
            }
            running.spawn.timeLimit = .seconds(command.value.timeout)
            running.outputLimit = Transcript.commandLimit
            running.onOutput = { [transcript] in transcript.append($0) }
            let failures: [TestFailure]
            do {
                failures = command.failures(of: try await running.run())
            } catch is TimeLimitExceeded {
                failures = [
                    TestFailure(
                        command.place, expected: "'\(command.value.shown)' to end within \(command.value.timeout) s",
                        seen: "it ran on and was ended")
                ]
            } catch let error as SystemError {
                failures = [TestFailure(command.place, expected: "'\(command.value.shown)' to run", seen: "\(error)")]
            }
            guard failures.isEmpty else { return failures }
        }
        return []
    }
}

extension TestCommand {
    /// On one line.
    var shown: String {
        switch program {
        case .command(let command): return command.joined(separator: " ")
        case .script(let script):
            let lines = script.split(separator: "\n")
            return lines.count > 1 ? "\(lines[0]) …" : String(lines.first ?? "")
        }
    }
}

extension Located<TestCommand> {
    /// How what a command did differs from what is expected of it.
    func failures(of result: Command.Result) -> [TestFailure] {
        let command = value.shown
        guard result.status == .code(value.exitCode) else {
            let output = result.errors.isEmpty ? result.text : result.errorText
            return [
                TestFailure(
                    place, expected: "'\(command)' to end with exit code \(value.exitCode)",
                    seen: "it ended with \(result.status)\(quoted(output, "; it printed"))")
            ]
        }
        let streams = [
            ("standard output", value.stdout, result.text), ("standard error", value.stderr, result.errorText),
        ]
        return streams.flatMap { name, expectation, text in
            (expectation?.faults(of: text) ?? []).map { fault in
                let seen = text.isEmpty ? "it is empty" : "it is\(quoted(text, ""))"
                return TestFailure(place, expected: "the \(name) of '\(command)', which \(fault)", seen: seen)
            }
        }
    }
}

/// A text's last lines, each after a bar, with a colon before; nothing of an empty text. What would move the cursor of the
/// terminal that shows it is left out.
func quoted(_ text: String, _ introduction: String) -> String {
    let printable = text.unicodeScalars.filter { $0 == "\n" || $0 == "\t" || $0.properties.generalCategory != .control }
    let lines = String(String.UnicodeScalarView(printable)).split(separator: "\n", omittingEmptySubsequences: false)
    let shown = (lines.last == "" ? lines.dropLast() : lines[...]).suffix(40)
    return shown.isEmpty ? "" : "\(introduction):\n\(shown.map { "  | \($0)" }.joined(separator: "\n"))"
}
