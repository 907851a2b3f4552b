import Testing

@testable import Runtime

@Suite struct NspawnTests {
    /// The arguments that don't depend on how this host resolves names.
    private func arguments(_ container: Container) throws -> [String] {
        try Nspawn().arguments(container)
    }

    @Test func aBootedTaskHasTheseArguments() throws {
        var container = Container(root: "/pool/tasks/1/rootfs", name: "web", program: .boot)
        container.network = .namespace("/run/netns/dish-1")
        container.console = .output
        container.userBase = 1_048_576
        container.machineID = "0123456789abcdef0123456789abcdef"
        container.environment = ["B": "2", "A": "one two"]
        #expect(
            try arguments(container) == [
                "--quiet", "--settings=no", "--register=no", "--keep-unit", "--link-journal=no", "--timezone=off",
                "--directory=/pool/tasks/1/rootfs", "--machine=web", "--uuid=0123456789abcdef0123456789abcdef",
                "--private-users=1048576:65536", "--private-users-ownership=map", "--resolv-conf=off", "--console=read-only",
                "--setenv=A=one two", "--setenv=B=2", "--boot", "--notify-ready=yes", "--kill-signal=SIGRTMIN+3",
            ])
    }

    @Test func whatMayBeAskedOfTheKernelIsArguments() throws {
        var container = Container(root: "/r", name: "a", program: .command(["/bin/true"]))
        (container.network, container.confinement.capabilities) = (.host, Nspawn.capabilities)
        #expect(
            try !arguments(container).contains { $0.contains("capability") || $0.contains("filter") || $0.contains("privileges") }
        )
        container.confinement.capabilities?.subtract(["SYS_ADMIN", "CHOWN"])
        container.confinement.capabilities?.insert("NET_ADMIN")
        container.confinement.refusedCalls = ["mount", "unshare"]
        container.confinement.gainsNothing = true
        #expect(
            try arguments(container).filter { $0.contains("capability") || $0.contains("filter") || $0.contains("privileges") }
                == [
                    "--capability=CAP_NET_ADMIN", "--drop-capability=CAP_CHOWN,CAP_SYS_ADMIN",
                    "--system-call-filter=~mount unshare",
                    "--no-new-privileges=yes",
                ])
        // Of a network of its own, it has one more to begin with.
        container = Container(root: "/r", name: "a", program: .command(["/bin/true"]))
        container.confinement.capabilities = []
        #expect(try arguments(container).contains { $0.hasPrefix("--drop-capability=") && $0.contains("CAP_NET_ADMIN") })
    }

    @Test func limitsOfAProcessAreArguments() throws {
        var container = Container(root: "/r", name: "build", program: .command(["/bin/true"]))
        (container.processLimit, container.dataLimit) = (100, 4096)
        let arguments = try arguments(container)
        #expect(arguments.filter { $0.hasPrefix("--rlimit") } == ["--rlimit=NPROC=100", "--rlimit=DATA=4096"])
    }

    @Test func aCommandInABuildHasTheseArguments() throws {
        var container = Container(root: "/r", name: "build", program: .command(["/bin/sh", "-c", "--", "true"]))
        container.user = "nobody"
        container.directory = "/tmp"
        container.readOnly = true
        container.binds = [.init("/cache", at: "/var/cache"), .init("/out", at: "/out", readOnly: false, mapsOwners: false)]
        #expect(
            try arguments(container) == [
                "--quiet", "--settings=no", "--register=no", "--keep-unit", "--link-journal=no", "--timezone=off",
                "--directory=/r", "--machine=build", "--read-only", "--resolv-conf=off", "--private-network", "--console=pipe",
                "--bind-ro=/cache:/var/cache", "--bind=/out:/out", "--bind-ro=/dev/null:/run/systemd/inaccessible/reg",
                "--user=nobody", "--chdir=/tmp", "--as-pid2", "--", "/bin/sh", "-c", "--", "true",
            ])
    }

    @Test func theHostsNetworkNeedsNoArgument() throws {
        var container = Container(root: "/r", name: "a", program: .boot)
        container.network = .host
        #expect(try !arguments(container).contains { $0.contains("network") })
    }

    @Test func namesAreResolvedAsTheHostDoesWhenAskedFor() throws {
        var container = Container(root: "/r", name: "a", program: .boot)
        container.resolvesNames = true
        #expect(
            try arguments(container).contains { ["--resolv-conf=replace-uplink", "--resolv-conf=replace-host"].contains($0) })
    }

    @Test func ownersOfBoundTreesAreMappedIntoTheUserNamespace() throws {
        var container = Container(root: "/r", name: "a", program: .boot)
        container.userBase = 65536
        container.binds = [.init("/a", at: "/b"), .init("/c", at: "/d", mapsOwners: false)]
        let list = try arguments(container)
        #expect(list.contains("--bind-ro=/a:/b:idmap"))
        #expect(list.contains("--bind-ro=/c:/d"))
    }

    @Test func pathsOfBindMountsCannotSmuggleOptions() throws {
        var container = Container(root: "/r", name: "a", program: .boot)
        container.binds = [.init(#"/a:/etc\"#, at: "/b:idmap")]
        #expect(try arguments(container).contains(#"--bind-ro=/a\:/etc\\:/b\:idmap"#))
        container.binds = [.init("a", at: "/b")]
        #expect(throws: RuntimeError(.invalid, "bind mount 'a' at '/b': both must be absolute paths")) {
            try arguments(container)
        }
    }

    @Test(arguments: ["", "-a", "a-", "a.b", "a_b", "a b", "ä", "a\n", "--bind=/", String(repeating: "a", count: 64)])
    func anImpossibleHostNameIsRefused(_ name: String) {
        let container = Container(root: "/r", name: name, program: .boot)
        let expected = RuntimeError(.invalid, "'\(name)' can't be a host name: use letters, digits and dashes, 63 at most")
        #expect(throws: expected) { try arguments(container) }
    }

    @Test(arguments: ["a", "A-1", "0", String(repeating: "a", count: 63)]) func aPossibleHostNameIsTaken(_ name: String) throws {
        #expect(try arguments(Container(root: "/r", name: name, program: .boot)).contains("--machine=\(name)"))
    }

    @Test(arguments: [[], [""]]) func anEmptyCommandIsRefused(_ command: [String]) {
        let container = Container(root: "/r", name: "a", program: .command(command))
        #expect(throws: RuntimeError(.invalid, "the command to run in 'a' is empty")) { try arguments(container) }
    }
}
