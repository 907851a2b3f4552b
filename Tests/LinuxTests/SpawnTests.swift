import Glibc
import Linux
import Testing

@Suite struct SpawnTests {
    @Test func theEnvironmentIsExactlyWhatIsGiven() throws {
        setenv("DISH_UNIT_SECRET", "inherited", 1)
        #expect(try output(Spawn("/usr/bin/env", environment: ["B": "2=3", "A": ""])) == "A=\nB=2=3\n")
    }

    @Test func argumentsArriveAsTheyAre() throws {
        let arguments = ["%s|", "", "a b", "--", "é\n", "*"]
        #expect(try output(Spawn("/usr/bin/printf", arguments)) == "|a b|--|é\n|*|")
    }

    @Test func theProgramRunsInTheDirectoryGiven() throws {
        var spawn = Spawn("/bin/pwd")
        spawn.directory = "/usr"
        #expect(try output(spawn) == "/usr\n")
    }

    @Test func theDescriptorsGivenAreTheOnlyOnes() throws {
        // Not close-on-exec: it still must not reach the program.
        let leaked = open("/dev/null", O_RDONLY)
        defer { close(leaked) }
        let pipe = TestPipe()
        var spawn = Spawn("/bin/ls", ["/proc/self/fd"])
        spawn.descriptors = [-1, pipe.writing, pipe.writing]
        let child = try spawn.start()
        let text = try pipe.readToEnd()
        #expect(try ExitStatus.wait(for: child) == .code(0))
        // 3 is the directory that ls reads.
        #expect(text == "0\n1\n2\n3\n")
    }

    @Test func descriptorsMayBeExchanged() throws {
        let first = TestPipe()
        let second = TestPipe()
        var spawn = Spawn("/bin/sh", ["-c", "echo one; echo two >&2; echo three >&3"])
        // Where each goes is where another is now, in a ring.
        spawn.descriptors = [-1, second.writing, first.writing, second.writing]
        let child = try spawn.start()
        #expect(try first.readToEnd() == "two\n")
        #expect(try second.readToEnd() == "one\nthree\n")
        #expect(try ExitStatus.wait(for: child) == .code(0))
    }

    @Test(arguments: [0, 1, 7, 255]) func theExitCodeIsTold(_ code: CInt) throws {
        let child = try Spawn("/bin/sh", ["-c", "exit \(code)"]).start()
        let status = try ExitStatus.wait(for: child)
        #expect(status == .code(code))
        #expect(status.isSuccess == (code == 0))
        #expect(status.shellCode == code)
    }

    @Test(arguments: [SIGTERM, SIGKILL, SIGSEGV]) func deathBySignalIsTold(_ signal: CInt) throws {
        let child = try Spawn("/bin/sh", ["-c", "ulimit -c 0; kill -\(signal) $$"]).start()
        let status = try ExitStatus.wait(for: child)
        #expect(status == .signal(signal))
        #expect(status.shellCode == 128 + signal)
        #expect(status.description == "killed by signal \(signal)")
    }

    @Test func noSignalIsBlocked() throws {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &signals, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        let text = try output(Spawn("/bin/grep", ["^SigBlk", "/proc/self/status"]))
        #expect(text == "SigBlk:\t0000000000000000\n")
    }

    @Test(arguments: [
        (Spawn("/nonexistent/program"), "run '/nonexistent/program': No such file or directory"),
        (Spawn("/etc/passwd"), "run '/etc/passwd': Permission denied"),
        (inDirectory("/nonexistent"), "change directory to '/nonexistent': No such file or directory"),
        (inCgroup("/nonexistent/cgroup.procs"), "enter cgroup '/nonexistent/cgroup.procs': No such file or directory"),
        (inNetwork("/nonexistent/ns"), "join network namespace '/nonexistent/ns': No such file or directory"),
    ])
    func whatFailsIsNamedWithItsReason(_ spawn: Spawn, _ text: String) {
        let error = #expect(throws: SystemError.self) { try spawn.start() }
        #expect(error?.description == text)
    }

    @Test(arguments: [Spawn("/bin/echo", ["a\0b"]), Spawn("/bin/true", environment: ["A": "b\0c"]), Spawn("/bin/true\0x")])
    func textWithANULByteIsRefusedRatherThanCutOff(_ spawn: Spawn) {
        let error = #expect(throws: SystemError.self) { try spawn.start() }
        #expect(error?.code == EINVAL)
    }

    @Test func aDetachedProgramIsNoChild() throws {
        let pipe = TestPipe()
        var spawn = Spawn("/bin/sh", ["-c", "echo $$"])
        spawn.detached = true
        spawn.newSession = true
        spawn.descriptors = [-1, pipe.writing, -1]
        let process = try spawn.start()
        let text = try pipe.readToEnd()
        #expect(text == "\(process)\n")
        #expect(throws: SystemError.self) { try ExitStatus.wait(for: process) }
    }

    @Test func startingProgramsLeavesNoDescriptorsAndNoZombies() throws {
        let before = try Files.list("/proc/self/fd").count
        for _ in 0..<50 {
            _ = try ExitStatus.wait(for: try Spawn("/bin/true").start())
            _ = try? Spawn("/nonexistent").start()
        }
        // Other tests open some of their own meanwhile, but not a hundred.
        #expect(try Files.list("/proc/self/fd").count < before + 40)
    }

    @Test func filtersAreInstalledInTheProgramAlone() throws {
        var spawn = Spawn("/bin/uname")
        spawn.filters = [Self.refusing(call: 0xffff), Self.refusing(call: Self.uname)]
        spawn.capabilities = .init(bounding: 0, gainsNothing: true)
        let refused = try Command(spawn).runBlocking()
        #expect(refused.status == .code(1) && refused.errorText.contains("Operation not permitted"), "\(refused)")
        #expect(try output(Spawn("/bin/uname")) == "Linux\n")
        spawn.filters = [[1, 2, 3]]
        #expect(throws: SystemError.self) { try spawn.start() }
    }

    @Test func capabilitiesAndLimitsAreNoMoreThanGiven() throws {
        var spawn = Spawn("/bin/grep", ["-E", "^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs)", "/proc/self/status"])
        // Those of CAP_CHOWN and CAP_SYS_CHROOT, to begin with.
        spawn.capabilities = .init(bounding: geteuid() == 0 ? 0x40001 : .max)
        let names = try output(spawn).split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
        let values = Dictionary(uniqueKeysWithValues: names.map { ($0[0], $0[1]) })
        #expect(values["CapInh:"] == "0000000000000000" && values["CapAmb:"] == "0000000000000000", "\(values)")
        #expect(values["NoNewPrivs:"] == "0")
        if geteuid() == 0 {
            for name in ["CapPrm:", "CapEff:", "CapBnd:"] { #expect(values[name] == "0000000000040001", "\(values)") }
            spawn.identity = (1, 1)
            #expect(try output(spawn).contains("CapEff:\t0000000000000000\nCapBnd:\t0000000000040001"))
        }
        var limited = Spawn("/bin/sh", ["-c", "ulimit -n; cat /proc/self/oom_score_adj"])
        limited.limits = [CInt(RLIMIT_NOFILE.rawValue): .init(soft: 64, hard: 64)]
        limited.oomScore = 321
        #expect(try output(limited) == "64\n321\n")
    }

    #if arch(x86_64)
        private static let uname: UInt32 = 63
    #else
        private static let uname: UInt32 = 160
    #endif

    /// A filter that answers one system call with EPERM: load its number, compare it, return.
    private static func refusing(call: UInt32) -> [UInt8] {
        let instructions: [(UInt16, UInt8, UInt8, UInt32)] = [
            (0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, 0x0005_0001), (0x06, 0, 0, 0x7fff_0000),
        ]
        return instructions.flatMap { code, yes, no, value in
            withUnsafeBytes(of: code) { Array($0) } + [yes, no] + withUnsafeBytes(of: value) { Array($0) }
        }
    }

    private func output(_ spawn: Spawn) throws -> String {
        let result = try Command(spawn).runBlocking()
        #expect(result.status.isSuccess, "\(result.errorText)")
        return result.text
    }

    private static func inDirectory(_ path: String) -> Spawn {
        var spawn = Spawn("/bin/true")
        spawn.directory = path
        return spawn
    }

    private static func inCgroup(_ path: String) -> Spawn {
        var spawn = Spawn("/bin/true")
        spawn.cgroups = [path]
        return spawn
    }

    private static func inNetwork(_ path: String) -> Spawn {
        var spawn = Spawn("/bin/true")
        spawn.networkNamespace = path
        return spawn
    }
}
