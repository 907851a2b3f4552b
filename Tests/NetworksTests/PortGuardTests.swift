import Glibc
import Linux
import Testing

@testable import Networks

/// What the guard makes of nft(8)'s answers, with another program in its place.
@Suite struct PortGuardTests {
    /// A guard with a program that says a text and fails.
    private func failing(_ text: String, _ name: String) throws -> PortGuard {
        let program = "/tmp/\(name)-\(UInt64.random(in: 0 ... .max))"
        try Files.replace(program, with: "#!/bin/sh\ncat > /dev/null\necho '\(text)' >&2\nexit 1\n".utf8, mode: 0o755)
        return PortGuard(bridge: name, program: program)
    }

    @Test func onlyAKernelWithoutTheFamilyIsGivenUpOn() throws {
        let missing = try failing("Error: Could not process rule: Operation not supported", "guard-a")
        defer { unlink(missing.program ?? "") }
        #expect(try missing.replaceAll([])?.contains("Operation not supported") == true)
        // It is asked again.
        var passing = missing
        passing.program = "/usr/bin/true"
        #expect(try passing.replaceAll([]) == nil)
    }

    @Test(arguments: ["Error: Could not process rule: Cannot allocate memory", "Error: syntax error, unexpected @", ""])
    func whateverElseFailsIsAnError(_ text: String) throws {
        let guardian = try failing(text, "guard-b")
        defer { unlink(guardian.program ?? "") }
        let error = #expect(throws: NetworkError.self) { try guardian.replaceAll([]) }
        #expect(error?.description.contains(text) == true)
        #expect(guardian.obstacle()?.contains(text.isEmpty ? "said nothing" : text) == true)
    }

    @Test func aProgramThatDoesNotStartIsAnError() {
        let guardian = PortGuard(bridge: "guard-c", program: "/nowhere/nft")
        #expect(throws: (any Error).self) { try guardian.replaceAll([]) }
        #expect(guardian.obstacle() != nil)
    }
}
