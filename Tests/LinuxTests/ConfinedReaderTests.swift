import Glibc
import Linux
import Testing

/// A program of the host that reads one hostile file.
@Suite(.enabled(if: geteuid() == 0, "NOT RUN: needs root"))
struct ConfinedReaderTests {
    private func output(_ reader: ConfinedReader, input: String = "content") async throws -> String {
        try await withTemporaryDirectory { folder in
            try Files.replace("\(folder)/file", with: input.utf8, mode: 0o600, durable: false)
            let file = try OwnedFD.open("\(folder)/file", O_RDONLY)
            let bytes = try await reader.read(file.number) { pipe in
                var bytes: [UInt8] = []
                var buffer = [UInt8](repeating: 0, count: 4096)
                let number = pipe.number
                while true {
                    let count = try retryingInterrupts("read") { Glibc.read(number, &buffer, buffer.count) }
                    if count == 0 { return bytes }
                    bytes += buffer[..<count]
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    @Test func aReaderOfAFileSeesThatFileAndTheHostsPrograms() async throws {
        let script = """
            cat
            echo; id -u; ls /; ls -A /etc /tree /dev /home /root 2>/dev/null
            unshare --user true 2>&1 || echo no namespace
            """
        let text = try await output(ConfinedReader("/bin/sh", ["-c", script]))
        #expect(text.hasPrefix("content\n0\n") && text.contains("no namespace"), "\(text)")
        #expect(!text.contains("passwd") && !text.contains("home"), "\(text)")
    }

    @Test func itsMemoryIsLimitedAndItEndsWithItsOutput() async throws {
        let text = try await output(ConfinedReader("/bin/sh", ["-c", "ulimit -v; ulimit -d"]))
        #expect(text == "2097152\n524288\n")
        let file = try OwnedFD.open("/dev/null", O_RDONLY)
        let reader = ConfinedReader("/bin/sh", ["-c", "while echo x; do :; done"])
        // It ends, and by itself.
        #expect(try await reader.read(file.number) { _ in 1 } == 1)
    }

    private struct Fault: Error, Equatable {}

    /// What a program complains of is told before what its output then lacks; its complaint is bounded.
    @Test func aProgramsOwnFailureComesFirst() async throws {
        let file = try OwnedFD.open("/dev/null", O_RDONLY)
        func read(_ script: String) async throws {
            _ = try await ConfinedReader("/bin/sh", ["-c", script]).read(file.number) { _ in throw Fault() }
        }
        let error = await #expect(throws: ConfinedReader.Failure.self) {
            try await read("echo 'program: stdin: it is damaged' >&2; exit 3")
        }
        #expect(error.map { "\($0)" } == "sh failed: it is damaged" && error?.status == .code(3))
        await #expect(throws: ConfinedReader.Failure.self) {
            try await read("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo out; exit 3")
        }
        // One that has done its part, and one that would have more to say.
        await #expect(throws: Fault.self) { try await read("echo fine") }
        await #expect(throws: Fault.self) { try await read("while echo x; do :; done") }
    }

    #if arch(x86_64)
        /// keyctl, ptrace, clone with a user namespace, io_uring_setup, open_tree, bpf, and what programs may call: getpid.
        @Test(.enabled(if: Executable.find("perl") != nil, "NOT RUN: needs perl"))
        func systemCallsThatNoParserNeedsAreRefused() async throws {
            let script = """
                for my $call ([250, 0, -3, 0], [101, 0, 0, 0], [56, 0x10000011, 0, 0, 0, 0], [425, 1, 0], [428, -100, 0, 0], [321, 0, 0, 0], [0x40000027]) {
                    $! = 0;
                    my $result = syscall($call->[0], @$call[1..$#$call]);
                    print $result, ":", $!+0, "\\n";
                }
                print syscall(39), "\\n";
                """
            let text = try await output(ConfinedReader("/usr/bin/perl", []), input: script)
            #expect(text == String(repeating: "-1:1\n", count: 7) + "1\n", "\(text)")
        }
    #endif
}
