import Fixtures
import Glibc
import Linux
import Testing

/// What `make build` runs (scripts/build), with another program for the compiler.
struct ProgramBuildTests {
    @Test func nothingIsBuiltAgainWhereNothingHasChanged() async throws {
        let folder = try Scratch.make("build")
        for name in ["scripts", "bin", "Sources/a", ".build/release"] { try Files.makeDirectories("\(folder)/\(name)") }
        let script = try Files.read("\(Programs.repository)/scripts/build")
        try Files.replace("\(folder)/scripts/build", with: script, mode: 0o755)
        for name in ["Package.swift", "Package.resolved", "Sources/a/a.swift", "Sources/a/b.swift"] {
            try Files.replace("\(folder)/\(name)", with: "one".utf8)
        }
        let compiler = """
            #!/bin/sh
            echo "$@" >> compiled
            test ! -e broken || exit 1
            for name in dish dishd dish-helper; do cp scripts/build .build/release/$name; done

            """
        try Files.replace("\(folder)/bin/swift", with: compiler.utf8, mode: 0o755)
        func build(_ options: String...) async throws -> (code: CInt, runs: Int) {
            let words = ["PATH=\(folder)/bin:/usr/sbin:/usr/bin:/sbin:/bin", "\(folder)/scripts/build"] + options
            let ended = try await Command("/usr/bin/env", words).run()
            let runs = (try Files.readTextIfPresent("\(folder)/compiled") ?? "").split(separator: "\n").count
            return (ended.status.shellCode, runs)
        }
        #expect(try await build() == (0, 1))
        #expect(try await build() == (0, 1))
        try Files.replace("\(folder)/Sources/a/a.swift", with: "two".utf8)
        #expect(try await build() == (0, 2))
        unlink("\(folder)/Sources/a/b.swift")
        #expect(try await build() == (0, 3))
        #expect(try await build("-Xswiftc", "-g") == (0, 4))
        unlink("\(folder)/.build/release/dishd")
        #expect(try await build("-Xswiftc", "-g") == (0, 5))
        // A build that fails isn't taken for one.
        try Files.replace("\(folder)/broken", with: [])
        try Files.replace("\(folder)/Sources/a/a.swift", with: "three".utf8)
        #expect(try await build("-Xswiftc", "-g") == (1, 6))
        unlink("\(folder)/broken")
        #expect(try await build("-Xswiftc", "-g") == (0, 7))
        #expect(try await build("-Xswiftc", "-g") == (0, 7))
    }

    /// Another python3 may stand first in PATH, and what is missing is said.
    @Test func benchmarksSayWhatIsMissing() async throws {
        let run = "\(Programs.repository)/Benchmarks/run"
        func start(_ name: String, _ programs: String) async throws -> Outcome {
            let ended = try await Command("/usr/bin/env", ["DISH_PROGRAMS=\(programs)", run, name]).run()
            return Outcome(code: ended.status.shellCode, output: ended.text, errors: ended.errorText)
        }
        let unknown = try await start("nosuch", Programs.directory)
        #expect(unknown.code == 2 && unknown.errors.contains("there is no benchmark 'nosuch'"), "\(unknown)")
        let missing = try await start("launch", "/nonexistent")
        #expect(missing.code == 1 && missing.errors.contains("make build"), "\(missing)")
        let scripts = try Files.readText(run) + Files.readText("\(Programs.repository)/Benchmarks/web.py")
        #expect(!scripts.contains("\"python3\"") && !scripts.contains("do python3"))
    }
}
