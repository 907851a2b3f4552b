import AgentAPI
import Btrfs
import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

/// The way back to what a task's root file system was.
@Suite(.requiresRoot)
struct TaskRollbackTests {
    @Test func aTaskWhoseUsrIsGoneComesBackAndNothingIsLost() async throws {
        let host = try await SharedPool.shared.host()
        let pool = try await SharedPool.shared.path()
        try await host.withAgent { _ in
            _ = try await host.dish("run", "--rm", "//os:base", "--", "/bin/true")
            let before = try Inventory(pool: pool, of: host)
            let port = try FreePort.tcp()
            try #require(
                try await host.dish("run", "//web:app", "--name", "web", "--publish", "\(port):80", "--disk", "1G").code == 0)
            #expect(
                try await host.dish("exec", "web", "--", "sh", "-c", "echo kept > /srv/kept; rm /etc/motd; echo >> /etc/group")
                    .code == 0)
            #expect(try await host.dish("snapshot", "web", "good").text == "good")
            #expect(try await host.dish("snapshot", "web", "good").code == 1)
            let changes = try await host.dish("diff", "web").output
            #expect(changes.contains("+ /srv/kept") && changes.contains("~ /etc/group (content"), "\(changes)")

            _ = try await host.dish("exec", "web", "--", "rm", "-rf", "--no-preserve-root", "/usr", "/srv/kept")
            let root = try await host.task("web").paths.root
            #expect(!Files.exists("\(root)/usr/bin/env") && !Files.exists("\(root)/srv/kept"))
            let back = try await host.dish("rollback", "web")
            #expect(back.code == 0 && back.text == "web", "\(back)")
            #expect(try Files.readText("\(root)/srv/kept") == "kept\n")
            let page = try await Command(
                "/usr/bin/curl",
                ["--silent", "--fail", "--max-time", "5", "--retry", "5", "--retry-connrefused", "http://127.0.0.1:\(port)/"]
            ).run()
            #expect(page.status.isSuccess)

            // What was there is a snapshot, and so the way forward.
            let history = try JSONDecoder().decode(
                [TaskSnapshotStatus].self, from: Data(await host.dish("history", "web", "--json").output.utf8))
            #expect(history.map(\.isAutomatic) == [false, true] && history.first?.name == "good")
            let kept = "\(pool)/tasks/\(try await host.task("web").id)/snapshots/\(history[1].name)/rootfs"
            #expect(try Subvolume.info(kept).isReadOnly && !Files.exists("\(kept)/usr/bin/env"))
            // Of the tree that was rolled back too.
            #expect(try await host.dish("diff", "web").output.contains("+ /srv/kept"))

            #expect(try await host.dish("stop", "web").code == 0)
            #expect(try await host.dish("rollback", "web", "--image").code == 0)
            #expect(
                try await host.task("web").state == .exited && !Files.exists("\(root)/srv/kept")
                    && Files.exists("\(root)/etc/motd"))
            #expect(try await host.dish("rollback", "web", "missing").code == 1)
            #expect(try await host.dish("snapshot", "--remove", "web", "good").code == 0)
            #expect(!Files.exists("\(Files.parent(of: Files.parent(of: kept)))/good"))
            // Most often in one second.
            for name in ["zz", "aa"] { #expect(try await host.dish("snapshot", "web", name).code == 0) }
            let id = try await host.task("web").id
            let record = try #require(try Pool(at: pool).allTasks().first { $0.id == id })
            #expect(try Pool(at: pool).snapshots(of: record).suffix(2).map(\.name) == ["zz", "aa"])
            #expect(try await host.dish("rm", "web").code == 0)
            let left = try Inventory(pool: pool, of: host).beyond(before).filter { !$0.hasPrefix("link") }
            #expect(left == [])
        }
    }

    /// How many moments: `DISH_KILLS` sets another number.
    private static let kills = getenv("DISH_KILLS").flatMap { Int(String(cString: $0)) } ?? 5

    @Test func anInterruptedRollbackLeavesTheOldRootOrTheNewOne() async throws {
        let host = try await SharedPool.shared.host()
        try await host.withAgent { first in
            var agent = first
            let script = "echo image > /version; exec sleep 600"
            try #require(try await host.dish("run", "--name", "torn", "-d", "//os:base", "--", "/bin/sh", "-c", script).code == 0)
            let root = try await host.task("torn").paths.root
            #expect(try await host.dish("snapshot", "torn", "point").code == 0)
            for number in 0..<Self.kills {
                try Files.replace("\(root)/marker", with: "old".utf8, durable: false)
                let kept = try await host.client.snapshots("torn").count
                let command = try host.start("rollback", "torn", "point", "--timeout", "0")
                try await Task.sleep(for: .milliseconds(number == 0 ? 5 : Int.random(in: 0...250)))
                agent.kill()
                waitpid(command, nil, 0)
                #expect(Files.exists("\(root)/bin") || Files.exists("\(root)/usr/bin"))
                agent = try await host.startAgent()
                // It ran, so it runs: on the new root, if the wish had been written down.
                _ = try await host.wait(for: "torn") { $0.state == .running }
                let snapshots = try await host.client.snapshots("torn")
                #expect(Files.exists("\(root)/marker") == (snapshots.count == kept), "\(snapshots)")
                #expect(!Files.exists("\(Files.parent(of: root))/rollback"))
                #expect(Inventory.processes(mentioning: "tasks/\(try await host.task("torn").id)/spec-").count == 1)
            }
        }
    }
}
