import Fixtures
import Glibc
import Linux
import TaskHelper
import Testing

/// A helper without an agent.
@Suite(.requiresRoot)
struct HelperTests {
    private func withHelper(
        generation: Int = 1, _ program: [String] = ["/bin/cat"], write: (HelperSpec) throws -> Void = { try $0.write() },
        _ body: (HelperConnection, HelperSpec) throws -> Void
    ) throws {
        let folder = try Scratch.make("helper")
        try Files.makeDirectories("\(folder)/s")
        var spec = HelperSpec(
            id: String(UInt32.random(in: 0 ... .max), radix: 16), name: "a", stateDirectory: "\(folder)/s",
            runtimeDirectory: "\(folder)/r",
            log: "\(folder)/log", program: program)
        (spec.input, spec.waitsForClient, spec.generation) = (true, true, generation)
        try write(spec)
        let helper = try Spawn(Programs.path("dish-helper"), [spec.file]).start()
        defer { waitpid(helper, nil, 0) }
        do {
            try body(HelperConnection(spec.socket, deadline: 2000), spec)
        } catch {
            kill(helper, SIGKILL)
            throw error
        }
    }

    @Test func whatAClientSaysBeforeTheStartIsNotLost() throws {
        try withHelper { helper, _ in
            try helper.send(.attach)
            try helper.send(.input(Array("early\n".utf8)))
            try helper.send(.input([]))
            // On another connection, as the agent's word comes.
            usleep(20_000)
            try helper.send(.start)
            var output: [UInt8] = []
            while let message = try helper.receive() {
                if case .output(let bytes) = message { output += bytes }
                if case .exited(let record) = message { #expect(record.status == .code(0) && record.generation == 1) }
            }
            #expect(String(decoding: output, as: UTF8.self) == "early\n")
        }
    }

    /// The file says which run shall be; without it that is the first.
    @Test func aHelperOfARunThatNobodyWantsEndsAtOnce() throws {
        #expect(throws: SystemError.self) { try withHelper(generation: 2) { _, _ in } }
    }

    /// Agents before this helper wrote options instead of JSON.
    @Test func theSpecificationOfAnOlderAgentIsUnderstood() throws {
        func write(_ spec: HelperSpec) throws {
            try Files.makeDirectories(spec.runtimeDirectory, mode: 0o700)
            let words = [
                "--id=\(spec.id)", "--generation=1", "--state=\(spec.stateDirectory)", "--run=\(spec.runtimeDirectory)",
                "--log=\(spec.log)", "--log-size=10485760", "--log-files=3", "--input", "--wait", "--stop-signal=10",
                "--oom-score=500", "--mount=root", "--mount-base=/usr", "--mount-path=share", "--mount-resolved",
                "--private=\(spec.stateDirectory)", "--file=\(spec.stateDirectory)/hello", "--content=from the file\n", "--start",
                "--start-end=/run/host/dish-end", "--start-as=0:0:0,1", "--start-candidate=/bin/sh", "--start-argument=sh",
                "--start-variable=A=b", "--filter=060000000000ff7f", "--memory=268435456", "--pids=1000", "--",
                "/bin/cat", "\(spec.stateDirectory)/hello",
            ]
            try Files.replace(spec.file, with: Array(words.joined(separator: "\0").utf8), mode: 0o600, durable: false)
        }
        try withHelper(write: write) { helper, spec in
            try helper.send(.attach)
            try helper.send(.start)
            var output: [UInt8] = []
            #expect(try end(of: helper, &output)?.status == .code(0))
            #expect(String(decoding: output, as: UTF8.self) == "from the file\n")
            #expect(!Files.exists(spec.file))
        }
    }

    @Test func aSpecificationThatIsMisreadStartsNothing() throws {
        for text in ["", "{}", "--id=1\0--\0/bin/true", #"{"id":"1"}"#] {
            let file = "\(try Scratch.make("spec"))/spec-1"
            try Files.replace(file, with: Array(text.utf8))
            let result = try Command(Programs.path("dish-helper"), [file]).runBlocking()
            #expect(result.status == .code(2) && result.errorText.contains("started by dishd"), "\(result.errorText)")
        }
    }

    /// Reads what there is until the end.
    private func end(of helper: HelperConnection, _ output: inout [UInt8]) throws -> ExitRecord? {
        while let message = try helper.receive() {
            if case .output(let bytes) = message { output += bytes }
            if case .exited(let record) = message { return record }
        }
        return nil
    }

    @Test func inputWaitsForASlowReaderAndArrivesWhole() throws {
        // It takes nothing for longer than a second, then a little at a time.
        let script = "sleep 1.3; for i in 1 2 3 4 5; do head -c 100000 | cksum; sleep 0.1; done; cksum"
        try withHelper(["/bin/sh", "-c", script]) { helper, _ in
            try helper.send(.signal(0))
            try helper.send(.attach)
            try helper.send(.start)
            var input: [UInt8] = []
            for number in 0..<400 {
                let piece = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number) }
                input += piece
                try helper.send(.input(piece))
            }
            try helper.send(.input([]))
            var output: [UInt8] = []
            #expect(try end(of: helper, &output)?.status == .code(0))
            let lines = String(decoding: output, as: UTF8.self).split(separator: "\n")
            #expect(lines.count == 6)
            for (index, line) in lines.enumerated() {
                var command = Command("/usr/bin/cksum")
                command.input = Array(index < 5 ? input[index * 100_000..<(index + 1) * 100_000] : input[500_000...])
                #expect(try command.runBlocking().text == "\(line)\n")
            }
        }
    }

    @Test func aClientThatIsNotReadDoesNotKeepOthersFromStoppingTheTask() throws {
        try withHelper(["/bin/sleep", "1000"]) { helper, spec in
            try helper.send(.attach)
            try helper.send(.start)
            var sent = 0
            while try helper.sendNow(.input([UInt8](repeating: 0, count: 30_000))) { sent += 30_000 }
            usleep(50_000)
            while try helper.sendNow(.input([UInt8](repeating: 0, count: 30_000))) { sent += 30_000 }
            // It is not kept without a bound.
            #expect(sent < 2 << 20)
            let start = ContinuousClock.now
            let other = try HelperConnection(spec.socket)
            try other.send(.signal(9))
            var output: [UInt8] = []
            #expect(try end(of: other, &output)?.status == .signal(9))
            #expect(.now - start < .seconds(1))
        }
    }

    @Test func aClientThatTakesNoOutputMeanwhileIsNotWaitedForForEver() throws {
        // It says ten times as much as it hears, to a client that hears nothing until it has said all.
        try withHelper(["/bin/sh", "-c", "while read -r line; do printf '%s%s%s%s' $line $line $line $line; done"]) {
            helper, spec in
            try helper.send(.attach)
            try helper.send(.start)
            let piece = Array((String(repeating: "x", count: 9999) + "\n").utf8)
            for _ in 0..<70 { try helper.send(.input(piece)) }
            try HelperConnection(spec.socket).send(.stop(seconds: 0))
            var output: [UInt8] = []
            #expect(try end(of: helper, &output) != nil)
        }
    }

    @Test func onlyTheRuntimeIsBelievedWhoItsContainerIs() throws {
        try withHelper(["/bin/sleep", "1000"]) { helper, spec in
            try helper.send(.attach)
            try helper.send(.start)
            let victim = try Spawn("/bin/sleep", ["1000"]).start()
            defer {
                kill(victim, SIGKILL)
                waitpid(victim, nil, 0)
            }
            let sender = try UnixSocket.make(SOCK_DGRAM)
            let notice = "X_NSPAWN_LEADER_PID=\(victim)\nREADY=1"
            let sent = UnixSocket.withAddress("\(spec.runtimeDirectory)/notify.sock") {
                CInt(sendto(sender.number, notice, notice.utf8.count, 0, $0, $1))
            }
            #expect(sent == notice.utf8.count)
            usleep(100_000)
            let record = try #require(HelperConnection.state(at: spec.socket, within: 1000))
            #expect(record.leader == nil && record.phase == .starting)
            try helper.send(.signal(9))
            var output: [UInt8] = []
            #expect(try end(of: helper, &output)?.status == .signal(9))
            #expect(waitpid(victim, nil, WNOHANG) == 0)
        }
    }
}
