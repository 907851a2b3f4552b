import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// What goes wrong says so clearly and leaves nothing behind. One after the other: each looks into staging.
@Suite(.requiresRoot, .serialized)
struct BadInputTests {
    /// Builds an image of a file with a mistake in it.
    private func build(_ yaml: String, _ label: String = "//app:app") async throws -> Outcome {
        let host = try await SharedPool.shared.host()
        let workspace = try TestWorkspace()
        try workspace.write("app/IMAGES.yaml", yaml)
        let outcome = try await host.dish("image", "build", label, in: workspace.path)
        #expect(outcome.code == 1, "\(outcome)")
        let pool = try await SharedPool.shared.path()
        #expect(try Files.list("\(pool)/staging") == [])
        return outcome
    }

    @Test func anUnknownKeyIsNamedWithItsPlaceAndTheNearestKnownOne() async throws {
        let outcome = try await build("images:\n  - name: app\n    parent: //os:base\n    pakages: [curl]\n")
        #expect(outcome.errors.contains("app/IMAGES.yaml:4:5: unknown key 'pakages' in an image; did you mean 'packages'?"))
    }

    @Test func aWrongTypeIsNamedWithItsPlace() async throws {
        let outcome = try await build("images:\n  - name: app\n    parent: //os:base\n    packages: curl\n")
        #expect(outcome.errors.contains("app/IMAGES.yaml:4:15: 'packages' must be a list, not 'curl'"))
    }

    @Test func aLabelDefinedTwiceNamesBothPlaces() async throws {
        let outcome = try await build(
            "images:\n  - name: app\n    parent: //os:base\n  - name: app\n    parent: //os:base\n")
        #expect(
            outcome.errors.contains(
                "app/IMAGES.yaml:4:11: the image '//app:app' is defined twice; the first time at app/IMAGES.yaml:2:11"))
    }

    @Test func aCycleIsShownWhole() async throws {
        let outcome = try await build(
            "images:\n  - name: app\n    parent: :other\n  - name: other\n    parent: //app:app\n")
        #expect(
            outcome.errors.contains(
                "app/IMAGES.yaml:5:13: the images stand on each other: //app:app -> //app:other -> //app:app"))
    }

    @Test func aMissingSourceFileIsNamedWithTheLineThatAsksForIt() async throws {
        let outcome = try await build(
            "images:\n  - name: app\n    parent: //os:base\n    files:\n      - path: /etc/hello\n        source: hello.txt\n")
        #expect(outcome.errors.contains("app/IMAGES.yaml:6:17: the source file '"))
        #expect(outcome.errors.contains("/app/hello.txt' doesn't exist"))
    }

    @Test func anUnknownParentIsNamedWithItsPlace() async throws {
        let outcome = try await build("images:\n  - name: app\n    parent: //os:bsae\n")
        #expect(outcome.errors.contains("app/IMAGES.yaml:3:13: there is no image '//os:bsae'"))
    }

    @Test func aFailingStepShowsWhatItPrintedAndPublishesNothing() async throws {
        let outcome = try await build("images:\n  - name: app\n    parent: //os:base\n    run: ['echo before; cat /no/such']\n")
        #expect(outcome.errors.contains("app/IMAGES.yaml:4:11: the run step failed: exit code 1"))
        #expect(outcome.errors.contains("| cat: /no/such: No such file or directory"))
        #expect(try await SharedPool.shared.host().dish("image", "show", "//app:app").code == 1)
    }

    @Test func aPoolPathThatIsNotOnBtrfsIsRefusedWithWhatToDo() async throws {
        let host = try TestHost()
        let path = try Scratch.make("plain")
        let made = try await host.dish("pool", "create", path)
        #expect(made.code == 1)
        #expect(
            made.errors.contains("give a size to put the pool into a file, or a device to put it on (--size, --device)"),
            "\(made)")
        let listed = try await host.dish("image", "ls", "--pool", path)
        #expect(listed.code == 1)
        #expect(listed.errors.contains("can't be a pool: it is on"), "\(listed)")
        #expect(try Files.list(path) == [])
        let small = try await host.dish("pool", "create", "\(path)/pool", "--size", "10M")
        #expect(small.errors.contains("a pool needs at least 512 MiB"), "\(small)")
        #expect(try Files.list(path) == [])
    }

    @Test func withoutRootEveryPrivilegedCommandSaysSo() async throws {
        for arguments in [["pool", "create", "/srv/nothing", "--size", "1G"], ["image", "ls"], ["exec", "x", "--", "ls"]] {
            // In a user namespace without a map this program is nobody, and may still read itself.
            let result = try await Command("/usr/bin/unshare", ["--user", Programs.path("dish")] + arguments).run()
            #expect(result.status == .code(1))
            #expect(result.errorText.contains("needs root; try again with sudo"), "\(arguments): \(result.errorText)")
        }
        let agent = try await Command("/usr/bin/unshare", ["--user", Programs.path("dishd")]).run()
        #expect(agent.errorText.contains("dishd needs root"), "\(agent.errorText)")
    }

    @Test func withoutNspawnBuildAndRunSayWhatToInstall() async throws {
        // A host that has everything but systemd-nspawn.
        let programs = try Scratch.make("programs")
        for directory in ["/usr/sbin", "/usr/bin"] {
            for name in try Files.list(directory) where name != "systemd-nspawn" {
                symlink("\(directory)/\(name)", "\(programs)/\(name)")
            }
        }
        let host = try TestHost(pool: try await SharedPool.shared.path(), environment: ["DISH_PATH": programs])
        let workspace = try TestWorkspace()
        try workspace.write("app/IMAGES.yaml", "images:\n  - name: app\n    parent: //os:base\n    run: [echo unheard-of]\n")
        let built = try await host.dish("image", "build", "//app:app", in: workspace.path)
        #expect(built.code == 1)
        #expect(
            built.errors.contains("systemd-nspawn is not installed; install it: apt-get install systemd-container"), "\(built)")
        try await host.withAgent { _ in
            let run = try await host.dish("run", "//os:base", "--name", "never")
            #expect(run.code == 1)
            #expect(
                run.errors.contains("systemd-nspawn is not installed; install it: apt-get install systemd-container"), "\(run)")
            #expect(try await host.dish("ps", "--json").text == "[\n\n]")
            #expect(try Files.list("\(host.stateDirectory)/tasks") == [])
        }
    }

    @Test func unknownImagesTakenNamesAndTakenPortsAreRefusedBeforeAnythingIsMade() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "-d", "//os:base", "--name", "taken", "--", "/bin/sleep", "1000")
            let before = try Inventory(pool: pool, of: host)
            let unknown = try await host.dish("run", "//no:such")
            #expect(
                unknown.errors.contains(
                    "there is no image '//no:such' in the pool at '\(pool)'; build it: dish image build //no:such"))
            let name = try await host.dish("run", "//os:base", "--name", "taken")
            #expect(name.errors.contains("there is a task 'taken' already; choose another name, or remove it: dish rm taken"))
            let odd = try await host.dish("run", "//os:base", "--name", "../etc")
            #expect(odd.errors.contains("'../etc' can't be a task's name"))

            let port = try FreePort.tcp()
            let listener = try listen(on: port)
            let used = try await host.dish("run", "//os:base", "--publish", "\(port):80")
            #expect(
                used.errors.contains("cannot publish \(port):80: port \(port) is in use by a program of this host"), "\(used)")
            _ = consume listener
            let bad = try await host.dish("run", "//os:base", "--publish", "eighty")
            #expect(bad.errors.contains("'eighty': it needs a port of the host and one of the task"), "\(bad)")
            for outcome in [unknown, name, odd, used] { #expect(outcome.code == 1) }
            #expect(bad.code == 2)
            let left = try Inventory(pool: pool, of: host).beyond(before)
            #expect(left == [])
        }
    }

    @Test func aPortPublishedTwiceNamesTheTaskThatHasIt() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            let port = try FreePort.tcp()
            _ = try await host.dish(
                "run", "-d", "//os:base", "--name", "first", "--publish", "\(port):80", "--", "/bin/sleep", "1000")
            let second = try await host.dish("run", "//os:base", "--publish", "\(port):8080")
            #expect(second.errors.contains("port \(port) is in use by the task 'first' (\(port):80)"), "\(second)")
        }
    }

    @Test func limitsThatTheHostCannotEnforceAreRefusedWithTheReason() async throws {
        // Controllers that cgroup v1 has, as on this machine, can't be had in v2.
        let mounts = try Mounts.list()
        let hasLegacyMemory = mounts.contains { $0.type == "cgroup" && $0.options.split(separator: ",").contains("memory") }
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            guard hasLegacyMemory else { return }
            let refused = try await host.dish("run", "//os:base", "--memory", "50M")
            #expect(refused.code == 1)
            #expect(
                refused.errors.contains(
                    "memory needs the cgroup v2 controller 'memory', and on this host 'memory' is mounted as cgroup v1"))
            let without = try await host.dish("run", "--rm", "--memory", "50M", "--best-effort", "//os:base", "--", "/bin/true")
            #expect(without.code == 0)
            #expect(without.errors.contains("not enforced: memory needs"))
        }
    }

    private func listen(on port: UInt16) throws -> OwnedFD {
        let listener = OwnedFD(
            adopting: try retryingInterrupts("create socket") { socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0) })
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        let descriptor = listener.number
        let bound = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(bound == 0 && Glibc.listen(descriptor, 1) == 0)
        return listener
    }
}
