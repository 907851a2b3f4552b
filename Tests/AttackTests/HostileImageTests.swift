import Fixtures
import Glibc
import Layers
import Linux
import Testing

@testable import OCI

extension Attacks {
    /// Images that were made to hurt whoever takes them: from an archive to a task.
    @Suite struct HostileImageTests {
        /// What an import may cost beyond what any costs: memory in KiB, and seconds of a processor.
        private static let memory = 64 << 10
        private static let seconds = 60

        /// A directory of the host with a file in it, which nothing changes.
        private struct Canary {
            let directory: String

            init() throws {
                directory = try Scratch.make("canary")
                try Files.replace("\(directory)/canary", with: "untouched".utf8, durable: false)
            }

            func expectUntouched(_ what: String) throws {
                #expect(try Files.list(directory) == ["canary"], "\(what)")
                #expect(try Files.readText("\(directory)/canary") == "untouched", "\(what)")
            }
        }

        /// How an import ended, and what it cost.
        private struct Cost {
            let status: Linux.ExitStatus
            let memory: Int
            let seconds: Int
        }

        private func take(_ host: TestHost, _ source: String, name: String) async throws -> Cost {
            let pid = try host.start("image", "import", source, "--name", name)
            return try await blocking {
                let deadline = ContinuousClock.now + .seconds(Self.seconds * 2)
                var status: CInt = 0
                var usage = rusage()
                while wait4(pid, &status, WNOHANG, &usage) == 0 {
                    if ContinuousClock.now > deadline { kill(pid, SIGKILL) }
                    usleep(5000)
                }
                return Cost(
                    status: Linux.ExitStatus(waitStatus: status), memory: usage.ru_maxrss,
                    seconds: usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            }
        }

        /// What may be in an archive, and what the canary's directory is.
        private static let cases: [(name: String, fill: @Sendable (HostileArchive, String) throws -> Void)] = [
            (
                "a link out and a file behind it",
                { archive, canary in
                    try archive.add("d", .symbolicLink, link: canary)
                    try archive.add("d/canary", "overwritten")
                    try archive.add("d/new", "made")
                }
            ),
            (
                "a link up and a directory behind it",
                { archive, canary in
                    try archive.add("srv/d", .symbolicLink, link: String(repeating: "../", count: 24) + canary.dropFirst())
                    try archive.add("srv/d/new", .directory)
                    try archive.add("srv/d/canary", "overwritten")
                }
            ),
            (
                "a chain of links",
                { archive, canary in
                    try archive.add("a", .symbolicLink, link: "b")
                    try archive.add("b", .symbolicLink, link: "c/../..")
                    try archive.add("c", .symbolicLink, link: canary)
                    try archive.add("a/canary", "overwritten")
                    try archive.add("c/canary", "overwritten")
                }
            ),
            (
                "hard links to the host",
                { archive, canary in
                    try archive.add("hard", .hardLink, link: "\(canary)/canary")
                    try archive.add("hard", "overwritten")
                    try archive.add("up", .hardLink, link: "../../../../../../../..\(canary)/canary")
                }
            ),
            (
                "a directory that becomes a link",
                { archive, canary in
                    try archive.add("d", .directory)
                    try archive.add("d", .symbolicLink, link: canary)
                    try archive.add("d/canary", "overwritten")
                    try archive.add("d", .directory)
                    try archive.add(".wh.d", "")
                    try archive.add("d/.wh..wh..opq", "")
                }
            ),
            (
                "whiteouts of the host",
                { archive, canary in
                    try archive.add("d", .symbolicLink, link: canary)
                    try archive.add("d/.wh.canary", "")
                    try archive.add("../.wh.canary", "")
                    try archive.add("\(canary)/.wh.canary", "")
                }
            ),
            (
                "deep names",
                { archive, _ in
                    for depth in [100, 1000, 2040] { try archive.add(String(repeating: "d/", count: depth), .directory) }
                }
            ),
            (
                "many of one name",
                { archive, _ in for number in 0..<20_000 { try archive.add("srv/same", "\(number)") } }
            ),
            ("a header of many records", { archive, _ in try archive.add(records: 40_000) }),
            (
                "many long headers",
                { archive, _ in
                    for number in 0..<300 { try archive.add(String(repeating: "n", count: 2000) + "\(number)", .directory) }
                }
            ),
            ("a hole of an exbibyte", { archive, _ in try archive.add(hole: "srv/hole", size: 1 << 60) }),
            ("a hole of a tebibyte", { archive, _ in try archive.add(hole: "srv/hole", size: 1 << 40) }),
            (
                "odd names",
                { archive, _ in
                    try archive.add("srv/\u{1B}[2J", "x")
                    try archive.add("srv/new\nline", "x")
                    try archive.add("srv/-rf", "x")
                    try archive.add("srv/\u{202E}gnp", .symbolicLink, link: "\u{1B}]0;title\u{07}")
                }
            ),
            ("garbage", { archive, _ in try archive.add(raw: (0..<65536).map { UInt8(truncatingIfNeeded: $0 &* 31) }) }),
        ]

        @Test func anImportIsBoundedAndStaysInside() async throws {
            let host = try await SharedPool.shared.host()
            let pool = try Pool(at: await SharedPool.shared.path())
            let plain = try HostileArchive()
            try plain.add("srv", .directory)
            let usual = try await take(host, plain.finish(), name: "usual:1")
            #expect(usual.status == .code(0))
            for (name, fill) in Self.cases {
                let canary = try Canary()
                let archive = try HostileArchive()
                try archive.add("srv", .directory)
                try fill(archive, canary.directory)
                let cost = try await take(host, archive.finish(), name: "hostile:1")
                print("\(name): \(cost.status), \(cost.memory - usual.memory) KiB more, \(cost.seconds) s")
                try canary.expectUntouched(name)
                #expect(cost.memory - usual.memory <= Self.memory, "\(name): it took \(cost.memory - usual.memory) KiB more")
                #expect(cost.seconds <= Self.seconds && cost.status != .signal(SIGKILL), "\(name): it took \(cost.seconds) s")
                #expect(try Files.list("\(pool.path)/staging") == [], "\(name)")
                // Whether it was taken or not, what comes next works.
                if cost.status == .code(0) { #expect(try await host.dish("image", "rm", "hostile:1").code == 0, "\(name)") }
            }
            #expect(try await host.dish("image", "rm", "usual:1").code == 0)
        }

        @Test func aDeviceInAnArchiveIsNotInTheImage() async throws {
            let host = try await SharedPool.shared.host()
            let pool = try Pool(at: await SharedPool.shared.path())
            let archive = try HostileArchive()
            try archive.addSystem()
            try archive.add(device: "srv/disk", .blockDevice, 7, 0)
            try archive.add(device: "srv/memory", .characterDevice, 1, 1)
            try archive.add(device: "etc/passwd", .characterDevice, 1, 5)
            try archive.add(device: "dev/kmsg", .characterDevice, 1, 11)
            let imported = try await host.dish("image", "import", archive.finish(), "--name", "hostile:1")
            // One odd node makes no whole image unusable.
            try #require(imported.code == 0, "\(imported)")
            let root = pool.root(of: try pool.resolve("hostile:1").id)
            let found = try await Command("/usr/bin/find", [root, "-type", "b", "-o", "-type", "c"]).run()
            // One that everybody has is no harm.
            #expect(found.text.split(separator: "\n") == ["\(root)/etc/passwd"], "\(found.text)")
            #expect(try await host.dish("image", "rm", "hostile:1").code == 0)
        }

        /// What the agent reads of an image before anything of it runs.
        @Test(arguments: ["/etc/passwd", "/etc/group", "/etc/hosts", "/etc/os-release", "/usr/lib/os-release", "/etc/machine-id"])
        func aPipeWhereTheAgentReadsHangsNothing(_ path: String) async throws {
            let host = try await SharedPool.shared.host()
            try await host.withAgent { _ in
                for (kind, link) in [(0, ""), (1, "/dev/zero"), (1, "/proc/self/fd/0"), (2, "")] {
                    let archive = try HostileArchive()
                    try archive.addSystem()
                    try archive.add("usr/lib", .directory)
                    switch kind {
                    case 0: try archive.add(String(path.dropFirst()), .fifo, mode: 0o666)
                    case 1: try archive.add(String(path.dropFirst()), .symbolicLink, link: link)
                    default: try archive.add(hole: String(path.dropFirst()), size: 1 << 40)
                    }
                    let imported = try await host.dish("image", "import", archive.finish(), "--name", "hostile:1")
                    if imported.code == 0 {
                        let run = try await host.dish(
                            arguments: ["run", "--rm", "--network", "none", "--user", "root", "hostile:1"],
                            under: ["/usr/bin/timeout", "--signal=KILL", "60"])
                        #expect(run.code != 137, "\(path) \(kind) \(link): \(run)")
                    }
                    // The agent still answers.
                    let listed = try await host.dish(arguments: ["ps"], under: ["/usr/bin/timeout", "--signal=KILL", "10"])
                    #expect(listed.code == 0, "\(path) \(kind) \(link): \(listed)")
                    if imported.code == 0 { _ = try await host.dish("image", "rm", "hostile:1") }
                }
            }
        }
    }
}
