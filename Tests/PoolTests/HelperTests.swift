import Fixtures
import Glibc
import Linux
import TaskHelper
import Testing

/// A helper without an agent.
@Suite(.requiresRoot)
struct HelperTests {
    private func withHelper(generation: Int = 1, _ body: (HelperConnection) throws -> Void) throws {
        let folder = try Scratch.make("helper")
        try Files.makeDirectories("\(folder)/s")
        var spec = HelperSpec(
            id: String(UInt32.random(in: 0 ... .max), radix: 16), stateDirectory: "\(folder)/s", runtimeDirectory: "\(folder)/r",
            log: "\(folder)/log", program: ["/bin/cat"])
        (spec.input, spec.waitsForClient, spec.generation) = (true, true, generation)
        try spec.write()
        let helper = try Spawn(Programs.path("dish-helper"), [spec.file]).start()
        defer { waitpid(helper, nil, 0) }
        do {
            try body(HelperConnection(spec.socket, deadline: 2000))
        } catch {
            kill(helper, SIGKILL)
            throw error
        }
    }

    @Test func whatAClientSaysBeforeTheStartIsNotLost() throws {
        try withHelper { helper in
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
        #expect(throws: SystemError.self) { try withHelper(generation: 2) { _ in } }
    }
}
