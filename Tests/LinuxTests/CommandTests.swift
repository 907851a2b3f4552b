import Glibc
import Linux
import Synchronization
import Testing

@Suite struct CommandTests {
    @Test func muchOutputOnBothStreamsIsCollectedWithoutDeadlock() async throws {
        let script = "head -c 1000000 /dev/zero | tr '\\0' e >&2; head -c 2000000 /dev/zero | tr '\\0' o"
        let result = try await Command("/bin/sh", ["-c", script]).run()
        #expect(result.status == .code(0))
        #expect(result.output.count == 2_000_000 && result.output.allSatisfy { $0 == UInt8(ascii: "o") })
        #expect(result.errors.count == 1_000_000 && result.errors.allSatisfy { $0 == UInt8(ascii: "e") })
    }

    @Test func muchInputComesBackWhole() async throws {
        var command = Command("/bin/cat")
        command.input = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(try await command.run().output == command.input)
    }

    @Test func aProgramThatReadsNoInputIsNoError() async throws {
        // Not even where SIGPIPE would end the process, as it does here.
        signal(SIGPIPE, SIG_DFL)
        var command = Command("/bin/true")
        command.input = [UInt8](repeating: 0, count: 1 << 20)
        #expect(try await command.run().status == .code(0))
        #expect(try command.runBlocking().status == .code(0))
    }

    @Test func withoutInputTheProgramReadsNothing() async throws {
        #expect(try await Command("/bin/cat").run().output == [])
    }

    @Test func mergedErrorsComeInTheirOrder() async throws {
        var command = Command("/bin/sh", ["-c", "echo a; echo b >&2; echo c"])
        command.mergesErrors = true
        let result = try await command.run()
        #expect(result.text == "a\nb\nc\n")
        #expect(result.errors == [])
    }

    @Test func outputIsPassedOnAsItArrives() async throws {
        let pieces = Mutex<[UInt8]>([])
        try await confirmation(expectedCount: 1...) { piece in
            var command = Command("/bin/sh", ["-c", "echo a; echo b"])
            command.onOutput = { bytes in
                pieces.withLock { $0 += bytes }
                piece()
            }
            _ = try await command.run()
        }
        #expect(pieces.withLock { $0 } == Array("a\nb\n".utf8))
    }

    @Test func aMissingProgramIsAnError() async {
        await #expect(throws: SystemError("run", "/nonexistent", code: ENOENT)) { try await Command("/nonexistent").run() }
    }

    @Test func cancellationKillsTheProgram() async throws {
        try await expectCancelled(Command("/bin/sh", ["-c", "echo started; exec sleep 1000"]))
    }

    @Test func cancellationDoesNotWaitForWhatTheProgramLeftRunning() async throws {
        // The program's child keeps its output open; it ends by itself, with the pipe gone.
        try await expectCancelled(Command("/bin/sh", ["-c", "(while echo x; do sleep 0.05; done) & echo started; wait"]))
    }

    /// It would exceed the time limit.
    @Test(arguments: ["sleep 60 & echo hi", "(while echo x >/dev/null; do :; done) & echo hi", "setsid sleep 60 & echo hi"])
    func whatAProgramLeavesBehindIsNotWaitedFor(_ script: String) async throws {
        var command = Command("/bin/sh", ["-c", script])
        command.spawn.newSession = true
        command.spawn.timeLimit = .seconds(40)
        let result = try await command.run()
        #expect(result.status == .code(0) && result.text == "hi\n" && result.isIncomplete)
    }

    @Test func whatATimeLimitedSessionLeavesBehindIsKilled() async throws {
        var command = Command("/bin/sh", ["-c", "sleep 1000 & echo $!"])
        command.spawn.newSession = true
        command.spawn.timeLimit = .seconds(20)
        let text = try await command.run().text
        let child = try #require(pid_t(text.prefix { $0.isNumber }))
        // Its new parent reaps it, sooner or later.
        func isRunning() -> Bool {
            (try? Files.readText("/proc/\(child)/stat")).map { !$0.contains(") Z ") && !$0.contains(") X ") } ?? false
        }
        for _ in 0..<100 where isRunning() { try await Task.sleep(for: .milliseconds(20)) }
        #expect(!isRunning())
    }

    @Test func aLeftProcessThatWritesForEverIsCutOff() throws {
        var command = Command("/bin/sh", ["-c", "yes & exit 3"])
        command.outputLimit = 1000
        let result = try command.runBlocking()
        #expect(result.status == .code(3) && result.output.count <= 1000 && result.isIncomplete)
    }

    @Test func aProgramThatClosesItsOutputIsHeldByItsTimeLimit() async throws {
        var command = Command("/bin/sh", ["-c", "exec >&- 2>&-; exec sleep 20"])
        command.spawn.timeLimit = .milliseconds(300)
        await #expect(throws: TimeLimitExceeded.self) { try await command.run() }
    }

    @Test func noCallerCollectsWithoutABound() throws {
        #expect(Command("/bin/true").outputLimit <= 64 << 20)
        var command = Command("/bin/sh", ["-c", "head -c 5000 /dev/zero; head -c 5000 /dev/zero >&2"])
        command.outputLimit = 100
        let result = try command.runBlocking()
        #expect(result.output.count == 100 && result.errors.count == 100 && result.isIncomplete)
        #expect(try !Command("/bin/echo", ["x"]).runBlocking().isIncomplete)
    }

    @Test func aTaskThatIsCancelledAlreadyStartsNothing() async {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await Command("/bin/true").run()
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    /// Cancels a command that has printed something; it must end with that.
    private func expectCancelled(_ command: Command) async throws {
        let (started, continuation) = AsyncStream.makeStream(of: Void.self)
        var command = command
        command.onOutput = { _ in continuation.yield() }
        let running = command
        let task = Task { try await running.run() }
        for await _ in started { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
