import Glibc
import Linux
import TaskHelper
import Testing

@Suite(.enabled(if: StartProgram.isAvailable)) struct StartProgramTests {
    private func run(_ program: StartProgram) throws -> Command.Result {
        let folder = try TemporaryDirectory()
        let path = "\(folder.path)/start"
        try Files.replace(path, with: program.content, mode: 0o755, durable: false)
        return try Command(Spawn(path, ["ignored"], environment: ["OF": "the runtime"])).runBlocking()
    }

    @Test func whatItStartsHasItsArgumentsAndVariablesAlone() throws {
        let variables = ["A=1", "discovery.type=single node", "LINES=one\ntwo", "EMPTY="]
        let result = try run(
            StartProgram(
                candidates: ["/nowhere/env", "/etc/passwd/env", "/usr/bin/env"], arguments: ["env", "-0"], environment: variables)
        )
        #expect(result.text == variables.joined(separator: "\0") + "\0", "\(result.errorText)")
        let many = (0..<2000).map { "VARIABLE_\($0)=\(String(repeating: "x", count: $0 % 300))" }
        let count = try run(StartProgram(candidates: ["/usr/bin/env"], arguments: ["env"], environment: many))
        #expect(count.text == many.joined(separator: "\n") + "\n")
        let name = try run(
            StartProgram(candidates: ["/bin/sh"], arguments: ["other", "-c", "echo $0 $#", "-x"], environment: []))
        #expect(name.text == "-x 0\n")
    }

    @Test func whatIsMissingAndWhatCannotRunHaveTheShellsCodes() throws {
        func code(_ candidates: String...) throws -> CInt {
            try run(StartProgram(candidates: candidates, arguments: ["x"], environment: [])).status.shellCode
        }
        #expect(try code("/nowhere/x", "/none") == 127)
        #expect(try code() == 127)
        #expect(try code("/etc/passwd") == 126)
        #expect(try code("/etc/passwd", "/none") == 126)
        #expect(StartProgram.candidates(for: "x", in: "/a:/b") == ["/a/x", "/b/x"])
        #expect(StartProgram.candidates(for: "./x", in: "/a:/b") == ["./x"])
    }

    /// What it starts as the first process's child, and what it says of its end.
    @Test(arguments: [
        ("exit 0", Linux.ExitStatus.code(0)), ("exit 137", .code(137)), ("kill -9 $$", .signal(9)),
        ("kill -TERM $PPID; sleep 60", .signal(15)),
        ("trap 'exit 7' USR1; kill -USR1 $PPID; while :; do sleep 0.05; done", .code(7)),
        ("(sleep 0.1; exit 3) & exec sleep 0.2", .code(0)),
    ])
    func itPassesSignalsOnAndSaysHowItEnded(_ script: String, _ end: Linux.ExitStatus) throws {
        let folder = try TemporaryDirectory()
        let (path, file) = ("\(folder.path)/start", "\(folder.path)/end")
        let program = StartProgram(
            endFile: file, candidates: ["/bin/sh"], arguments: ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin"])
        try Files.replace(path, with: program.content, mode: 0o755, durable: false)
        try Files.replace(file, with: [], durable: false)
        let result = try Command(Spawn(path, [], environment: [:])).runBlocking()
        #expect(result.status == .code(end.shellCode), "\(result.errorText)")
        let told = try Files.read(file)
        #expect(told.count == 4)
        #expect(Linux.ExitStatus(waitStatus: CInt(told[0]) | CInt(told[1]) << 8) == end)
    }

    /// The code is copied out of this program: it may call nothing and refer to nothing.
    @Test func theFirstProcessKeepsNothingOfWhatItWasTold() throws {
        let folder = try TemporaryDirectory()
        let (path, file) = ("\(folder.path)/start", "\(folder.path)/end")
        let program = StartProgram(
            endFile: file, candidates: ["/bin/sh"],
            arguments: [
                "sh", "-c",
                "grep -c -v stack /proc/$PPID/maps; grep -a -c S3CRET /proc/$PPID/maps; ls -l /proc/$PPID/fd | grep -c end",
            ],
            environment: ["PATH=/usr/bin:/bin", "A=S3CRET"])
        try Files.replace(path, with: program.content, mode: 0o755, durable: false)
        try Files.replace(file, with: [], durable: false)
        let result = try Command(Spawn(path, [], environment: [:])).runBlocking()
        // Its code, and what the kernel maps into every process.
        let lines = result.text.split(separator: "\n")
        #expect(lines.count == 3 && (Int(lines[0]) ?? 99) <= 5 && lines[2] == "1", "\(result.text)\(result.errorText)")
    }

    /// Without privileges it can become nobody, and ends.
    @Test func itBecomesAUser() throws {
        let result = try run(
            StartProgram(
                identity: .init(user: 1000, group: 1001, groups: [1001, 2000]), candidates: ["/bin/sh"],
                arguments: ["sh", "-c", "echo $(id -u) $(id -g) $(id -G)"], environment: ["PATH=/usr/bin:/bin"]))
        guard geteuid() == 0 else {
            #expect(result.status.shellCode == 126)
            return
        }
        #expect(result.text == "1000 1001 1001 2000\n", "\(result.text)\(result.errorText)")
    }
}
