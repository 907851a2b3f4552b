import Fixtures
import Linux
import Testing

/// What `make install` and `make deb` install beside the programs. The package itself is installed in `HostTests`.
@Suite(.requiresRoot)
struct InstallTests {
    private func run(_ program: String, _ arguments: String...) async throws -> Outcome {
        let result = try await Command(program, arguments).run()
        return Outcome(code: result.status.shellCode, output: result.text, errors: result.errorText)
    }

    /// The path of a package of the programs under test.
    private func package() async throws -> String {
        // Packed they would be smaller, in ten times the time.
        let made = try await run(
            "/usr/bin/env", "DPKG_DEB_COMPRESSOR_TYPE=none", "\(Programs.repository)/scripts/deb", Programs.directory,
            try Scratch.make("package"))
        try #require(made.code == 0, "\(made)")
        return try #require(made.text.split(separator: "\n").last.map(String.init))
    }

    @Test func theSameProgramsGiveTheSamePackageWithAPageForEachCommand() async throws {
        let (one, other) = (try await package(), try await package())
        let compared = try await run("/usr/bin/cmp", one, other)
        #expect(compared.code == 0, "\(compared)")
        let content = Set(
            try await run("/usr/bin/dpkg-deb", "--contents", one).output.split(separator: "\n").compactMap {
                $0.split(separator: " ").last
            })
        let help = try await run(Programs.path("dish"), "help").output
        let commands = help.matches(of: /(?m)^  ([a-z][a-z-]*) {2,}\S/).map { String($0.1) }.filter { $0 != "help" }
        #expect(commands.count > 20, "\(help)")
        for command in commands {
            #expect(content.contains("./usr/share/man/man1/dish-\(command).1.gz"))
        }
        for path in ["man/man8/dishd.8.gz", "bash-completion/completions/dish", "fish/vendor_completions.d/dish.fish"] {
            #expect(content.contains("./usr/share/\(path)"))
        }
    }

    /// What bash offers for the last of a command's words, which it has parted at colons.
    private func offered(_ host: TestHost, _ words: String...) async throws -> [Substring] {
        let script = """
            source <("$0" --generate-completion-script bash)
            source \(Programs.repository)/scripts/completion.bash
            PATH=${0%/*}:$PATH
            COMP_WORDS=(dish "$@") COMP_CWORD=$# COMP_LINE="dish $*"
            COMP_POINT=${#COMP_LINE}
            _dish_whole_words dish "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let outcome = try await host.dish(arguments: words, under: ["/bin/bash", "-c", script])
        #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome)")
        return outcome.text.split(separator: "\n")
    }

    @Test func completionsKnowCommandsAndTheNamesThereAre() async throws {
        let host = try await SharedPool.shared.host()
        #expect(try await offered(host, "ima") == ["image"])
        #expect(try await offered(host, "inspect", "") == [], "there is no agent to ask")
        #expect(try await offered(host, "image", "show", "//o").contains("//os:base"))
        // As bash parts it; what comes before the colon is there already.
        #expect(try await offered(host, "run", "//os", ":", "b") == ["base"])
        try await host.withAgent { _ in
            let started = try await host.dish("run", "-d", "//os:base", "--name", "completed", "--", "/bin/sleep", "1000")
            try #require(started.code == 0, "\(started)")
            #expect(try await offered(host, "inspect", "") == ["completed"])
            let begun = try await host.dish("stop", "--background", "completed").output.filter { $0 != "\n" }
            #expect(try await offered(host, "operation", "show", "").map(String.init) == [begun])
            #expect(try await offered(host, "operation", "cancel", "") == [], "it can't be taken back")
        }
    }
}
