import Fixtures
import FoundationEssentials
import Linux
import Testing

@Suite(.requiresRoot)
struct DiskLimitTests {
    private let mebibyte: UInt64 = 1 << 20

    /// Writes until it can't, and prints how much it wrote and why it stopped.
    private func fill(_ path: String) -> String {
        "i=0; while dd if=/dev/urandom of=\(path).$i bs=1M count=1 conv=fsync status=none 2>/tmp/why; do i=$((i+1)); [ $i -lt 200 ] || break; done; echo $i; cat /tmp/why"
    }

    @Test func theWriterGetsEDQUOTAtItsLimitAndOthersDoNotNotice() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "//os:base", "--name", "limited", "--disk", "50M")
            _ = try await host.dish("run", "//os:base", "--name", "other")
            let writer = try await host.dish("exec", "limited", "--", "sh", "-c", fill("/var/tmp/file"))
            let written = try #require(writer.text.split(separator: "\n").first.flatMap { Int($0) }, "\(writer)")
            // What systemd wrote while booting and the file system's own blocks count too.
            #expect((40...50).contains(written), "\(writer)")
            #expect(writer.output.contains("Disk quota exceeded"), "\(writer)")
            let other = try await host.dish(
                "exec", "other", "--", "dd", "if=/dev/urandom", "of=/var/tmp/file", "bs=1M", "count=80", "conv=fsync",
                "status=none")
            #expect(other.code == 0, "\(other)")
        }
    }

    @Test func nestedSubvolumesAndSnapshotsDoNotEscapeTheLimit() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "//os:base", "--name", "nesting", "--disk", "50M")
            let root = try #require(
                try await host.dish("inspect", "nesting").output.firstMatch(of: /"root" : "([^"]+)"/).map { String($0.1) })
            // As a privileged process inside would, with the host's btrfs: the image needs none.
            for name in ["one", "two"] {
                let made = try await Command("/usr/bin/btrfs", ["subvolume", "create", "\(root)/var/tmp/\(name)"]).run()
                #expect(made.status.isSuccess, "\(made.errorText)")
            }
            _ = try await Command("/bin/chmod", ["1777", "\(root)/var/tmp/one", "\(root)/var/tmp/two"]).run()
            let first = try await host.dish("exec", "nesting", "--", "sh", "-c", fill("/var/tmp/one/file"))
            #expect(first.output.contains("Disk quota exceeded"), "\(first)")
            let second = try await host.dish("exec", "nesting", "--", "sh", "-c", fill("/var/tmp/two/file"))
            #expect(second.text.hasPrefix("0\n") && second.output.contains("Disk quota exceeded"), "\(second)")
            #expect(try await host.dish("rm", "--force", "nesting").code == 0)
        }
    }

    @Test func usageTellsWhatEachWroteItself() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "-d", "//os:base", "--name", "tenth", "--disk", "1G", "--", "/bin/sleep", "100")
            let write = ["dd", "if=/dev/urandom", "of=/var/tmp/file", "bs=1M", "count=10", "conv=fsync", "status=none"]
            _ = try await host.dish("exec", "tenth", "--", write[0], write[1], write[2], write[3], write[4], write[5], write[6])
            let usage = try JSONDecoder().decode(Usage.self, from: Data(await host.dish("pool", "usage", "--json").output.utf8))
            let task = try #require(usage.tasks.first { $0.name == "tenth" })
            #expect((10 * mebibyte..<12 * mebibyte).contains(task.own))
            #expect(task.limit == 1024 * mebibyte)
            let base = try #require(usage.layers.first { $0.name == "//os:base" })
            #expect(task.shared == base.own + base.shared)
        }
    }

    private struct Usage: Decodable {
        struct Entry: Decodable {
            let name: String
            let own: UInt64
            let shared: UInt64
            let limit: UInt64?
        }
        let layers: [Entry]
        let tasks: [Entry]
    }
}
