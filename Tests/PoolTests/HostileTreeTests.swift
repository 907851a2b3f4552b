import Btrfs
import CLinux
import Cgroups
import Fixtures
import Glibc
import Linux
import Testing

@testable import Layers

/// What something inside a container leaves in its trees: nothing of it leads the host astray, and all of it can be removed.
extension Streams {
    @Suite struct HostileTreeTests {
        private static func name(_ text: String) -> FileName { Array(text.utf8) }

        private func status(_ path: String) -> stat {
            var status = stat()
            #expect(lstat(path, &status) == 0, "\(path)")
            return status
        }

        @Test func aNestedSubvolumeBecomesADirectoryAndNoLinkBesideItIsFollowed() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let outside = "\(pool.path)/outside"
                try Files.replace(outside, with: "host".utf8, durable: false)
                let staged = try StagingDirectory(in: pool)
                try Subvolume.create(staged.root)
                let nested = "\(staged.root)/e/a"
                try Files.makeDirectories("\(staged.root)/e")
                try Subvolume.create(nested)
                try Files.replace("\(nested)/f", with: "inside".utf8, durable: false)
                #expect(link("\(nested)/f", "\(nested)/g") == 0)
                try Files.makeDirectories("\(nested)/deeper")
                try Subvolume.create("\(nested)/deeper/b")
                try Files.replace("\(nested)/deeper/b/h", with: "below".utf8, durable: false)
                try Subvolume.makeReadOnly(nested)
                // Where the copy was made once.
                try Files.makeDirectories("\(staged.root)/e/a.dish-new")
                #expect(symlink(outside, "\(staged.root)/e/a.dish-new/f") == 0)
                _ = try pool.tree(of: staged, parent: nil)
                #expect(try Files.readText(outside) == "host")
                #expect(!Subvolume.exists(nested) && Files.isDirectory(nested, followsLink: false))
                #expect(try Files.list("\(staged.root)/e") == ["a", "a.dish-new"])
                #expect(try Files.list(nested) == ["deeper", "f", "g"])
                #expect(status("\(nested)/f").st_nlink == 2)
                #expect(try Files.readText("\(nested)/deeper/b/h") == "below")
                #expect(try pool.filesystem().nestedSubvolumes(in: Subvolume.info(staged.root).id).isEmpty)
            }
        }

        /// A subvolume with things in it that names, paths and flags are in the way of.
        private func fill(_ root: String) throws {
            try Subvolume.create(root)
            try Subvolume.create("\(root)/ro")
            try Subvolume.create("\(root)/ro/child")
            try Subvolume.create("\(root)/ro/child/grandchild")
            for path in ["\(root)/ro/child/grandchild", "\(root)/ro/child", "\(root)/ro"] { try Subvolume.makeReadOnly(path) }
            // No UTF-8.
            try Subvolume.create("\(root)/x")
            try Subvolume.create("\(root)/x/child")
            let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
            #expect([UInt8]([0xff, 0xfe, 0x0a]).withCString { renameat(directory.number, "x", directory.number, $0) } == 0)
            // Deeper than BTRFS_IOC_INO_LOOKUP and paths reach.
            var current = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
            let long = Self.name(String(repeating: "d", count: 200))
            for _ in 0..<30 {
                #expect(long.withCString { mkdirat(current.number, $0, 0o755) } == 0)
                current = try current.directory(long)
            }
            try Subvolume.create("\(root)/deep")
            try Subvolume.create("\(root)/deep/child")
            #expect(renameat(directory.number, "deep", current.number, "deep") == 0)
            // Immutable files and directories, with a subvolume among them.
            try Files.makeDirectories("\(root)/fixed/inner")
            try Subvolume.create("\(root)/fixed/inner/sub")
            try Subvolume.create("\(root)/fixed/inner/sub/child")
            try Files.replace("\(root)/fixed/file", with: "".utf8, durable: false)
            for path in ["file", "inner/sub", "inner", ""] {
                let file = try OwnedFD.open("\(root)/fixed/\(path)", O_RDONLY)
                #expect(dish_set_file_flags(file.number, path == "" ? DISH_FS_APPEND : DISH_FS_IMMUTABLE) == 0)
            }
        }

        @Test func subvolumesOfAnyDepthNameAndFlagsAreRemoved() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let before = try pool.filesystem().subvolumes().count
                try fill("\(pool.path)/root")
                // Listing them must not fail either.
                #expect(try pool.filesystem().subvolumes().count == before + 10)
                _ = try pool.refreshUsage(syncs: true)
                try Subvolume.deleteRecursively("\(pool.path)/root")
                #expect(!Files.exists("\(pool.path)/root"))
                #expect(try pool.filesystem().subvolumes().count == before)
                // The same in staging, in an ordinary tree, and as the logs of a removed task.
                try Files.makeDirectories("\(pool.path)/staging/left/deeper")
                try fill("\(pool.path)/staging/left/deeper/rootfs")
                try pool.cleanStaging { Issue.record("\($0)") }
                #expect(try Files.list("\(pool.path)/staging") == [])
                #expect(try pool.filesystem().subvolumes().count == before)
            }
        }

        @Test func ordinaryTreesWithFlagsAndWithoutEndAreRemoved() async throws {
            try await Streams.withPools { pools in
                let folder = "\(pools[0].path)/tree"
                try Files.makeDirectories("\(folder)/a/b")
                try Files.replace("\(folder)/a/b/file", with: "".utf8, durable: false)
                for path in ["a/b/file", "a/b", "a"] {
                    let file = try OwnedFD.open("\(folder)/\(path)", O_RDONLY)
                    #expect(dish_set_file_flags(file.number, DISH_FS_IMMUTABLE) == 0)
                }
                var current = try OwnedFD.open(folder, O_RDONLY | O_DIRECTORY)
                for _ in 0..<3000 {
                    guard mkdirat(current.number, "d", 0o755) == 0 else { throw SystemError("make") }
                    current = try current.directory(Self.name("d"))
                }
                try Files.removeTree(folder)
                #expect(!Files.exists(folder))
            }
        }

        @Test func whatCannotBeRemovedIsSetAsideAndHoldsNothingElseUp() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                // A mount can't be removed by anyone.
                func block(_ path: String) throws {
                    try Files.makeDirectories("\(path)/mounted")
                    try Mounts.mount("none", on: "\(path)/mounted", type: "tmpfs")
                }
                func unblock() {
                    for mount in (try? Mounts.list()) ?? [] where mount.path.hasPrefix("\(pool.path)/") {
                        try? Mounts.unmount(mount.path)
                    }
                }
                defer { unblock() }
                try block("\(pool.path)/staging/blocked")
                try Files.makeDirectories("\(pool.path)/staging/other")
                var stuck: [StuckEntry] = []
                try pool.cleanStaging { stuck.append($0) }
                #expect(stuck.count == 1 && "\(stuck)".contains("staging/blocked"))
                #expect(try Files.list("\(pool.path)/staging") == [])
                _ = try pool.createVolume("data", size: nil)
                // Logs of removed tasks: the second goes whatever the first is like.
                for (index, id) in ["aa", "bb"].enumerated() {
                    let directory = "\(pool.path)/logs/\(id)"
                    try Files.makeDirectories(directory)
                    try Subvolume.create("\(directory)/logs")
                    let layer = LayerID(String(repeating: "0", count: 64))!
                    let record = TaskRecord(id: id, name: id, image: "i", layer: layer, quotaGroup: nil)
                    try StateFile.write(RemovedTask(record, created: 1, removed: Int64(index + 1)), "\(directory)/removed.json")
                }
                try block("\(pool.path)/logs/aa")
                let gone = try pool.expireLogs(LogRetention(), now: 1 << 40) { stuck.append($0) }
                #expect(gone.map(\.id).sorted() == ["aa", "bb"])
                #expect(try pool.removedTasks().isEmpty)
                #expect(stuck.count == 2)
                #expect(try pool.stuckEntries().count == 2)
                unblock()
                #expect(try pool.removeStuckEntries().isEmpty)
                #expect(try Files.list("\(pool.path)/stuck") == [])
            }
        }

        /// A host that is short of something says nothing of what was to be removed.
        @Test func whatMayPassIsNotSetAsideAndKeepsItsLimit() async throws {
            try await Streams.withPools { pools in
                let pool = pools[0]
                let path = "\(pool.path)/staging/entry"
                try Files.makeDirectories(path)
                var reports: [StuckEntry] = []
                pool.removeOrReport(path, { reports.append($0) }) { throw SystemError("remove", path, code: ENOSPC) }
                #expect(reports.count == 1 && "\(reports)".contains("stays where it is"))
                #expect(Files.exists(path))
                #expect(try pool.stuckEntries().isEmpty)
                pool.removeOrReport(path, { reports.append($0) }) { throw SystemError("remove", path, code: EBUSY) }
                #expect(!Files.exists(path) && reports.count == 2)
                #expect(try pool.stuckEntries().count == 1)
                #expect(try pool.removeStuckEntries(most: 16).isEmpty)
                #expect(try Files.list("\(pool.path)/stuck") == [])
                let filesystem = try pool.filesystem()
                guard try filesystem.quotaMode() == .simple else { return }
                let group = QuotaGroup(level: 1, number: 4711)
                try filesystem.createQuotaGroup(group)
                try filesystem.limit(group, to: 1 << 30)
                #expect(throws: SystemError.self) {
                    try filesystem.withoutLimits(of: [group]) {
                        let lifted = try filesystem.usage(of: group)?.limit
                        #expect(lifted == nil)
                        throw SystemError("remove", path, code: EBUSY)
                    }
                }
                #expect(try filesystem.usage(of: group)?.limit == 1 << 30)
                try filesystem.destroyQuotaGroup(group)
            }
        }

        /// The kernel doesn't remove the default subvolume, and says so as it does of an immutable one.
        @Test func aSubvolumeThatCannotGoKeepsWhatIsInIt() async throws {
            try await Streams.withPools { pools in
                let path = "\(pools[0].path)/default"
                try Subvolume.create(path)
                try Subvolume.create("\(path)/nested")
                try Files.replace("\(path)/nested/file", with: "x".utf8, durable: false)
                let id = try Subvolume.info(path).id
                func choose(_ id: UInt64) throws {
                    let result = try Command("/usr/bin/btrfs", ["subvolume", "set-default", "\(id)", pools[0].path]).runBlocking()
                    #expect(result.status.isSuccess, "\(result.errorText)")
                }
                try choose(id)
                #expect(throws: SystemError.self) { try Subvolume.deleteRecursively(path) }
                #expect(Files.exists("\(path)/nested/file"))
                try choose(5)
                try Subvolume.deleteRecursively(path)
                #expect(!Files.exists(path))
            }
        }

        @Test func aGroupThatIsTooDeepForAPathIsRemoved() throws {
            let host = try CgroupHost.current()
            guard let unified = host.unified else { return }
            let id = "deep-\(UInt32.random(in: 0 ... .max))"
            let group = TaskCgroup.existing(id: id, on: host)
            let top = host.hasSystemd ? "\(unified)/dish.slice/dish-\(id).service/task" : "\(unified)/dish/\(id)"
            try Files.makeDirectories(top)
            var current = try OwnedFD.open(top, O_RDONLY | O_DIRECTORY)
            let long = Self.name(String(repeating: "d", count: 200))
            for _ in 0..<30 {
                #expect(long.withCString { mkdirat(current.number, $0, 0o755) } == 0)
                current = try current.directory(long)
            }
            let sleeper = try Spawn("/bin/sleep", ["60"]).start()
            let procs = try current.open(beneath: "cgroup.procs", O_WRONLY)
            try Files.write("\(sleeper)".utf8, to: procs.number, "cgroup.procs")
            let started = ContinuousClock.now
            // A killed child stays in its group until somebody waits for it.
            try startThread { _ = try? ExitStatus.wait(for: sleeper) }
            group.remove()
            #expect(!Files.exists(top))
            #expect(ContinuousClock.now - started < .seconds(4))
        }

        @Test func aReaderOfAHostileDirectorySeesAndReachesNothingElse() async throws {
            try await Streams.withPools { pools in
                let tree = "\(pools[0].path)/tree"
                try Files.makeDirectories(tree)
                try Files.replace("\(tree)/file", with: "content\n".utf8, mode: 0o600, durable: false)
                #expect(symlink("/etc/shadow", "\(tree)/link") == 0)
                let script = """
                    cat /tree/file
                    id -u
                    cat /tree/link 2>&1
                    ls /etc /dev /home /sys /root /run 2>&1
                    echo x > /tree/new || echo read-only tree
                    echo x > /etc/new || echo read-only root
                    mount -t tmpfs none /tree 2>&1 && echo mounted
                    kill -9 -1 2>&1
                    ulimit -v
                    echo processes $(ls /proc)
                    ls /proc/self/root/tree
                    """
                let file = "\(pools[0].path)/output"
                let output = try OwnedFD.open(file, O_WRONLY | O_CREAT)
                let reader = ConfinedReader("/bin/sh", ["-c", script])
                let directory = try OwnedFD.open(tree, O_RDONLY | O_DIRECTORY)
                let child = try reader.start(on: directory, output: output.number, errors: output.number)
                let map = try Files.readText("/proc/\(child)/uid_map").split(whereSeparator: \.isWhitespace)
                _ = try ExitStatus.wait(for: child)
                let text = try Files.readText(file)
                #expect(text.hasPrefix("content\n0\n"), "\(text)")
                for part in ["/tree/link: No such file", "read-only tree", "read-only root"] {
                    #expect(text.contains(part), "\(text)")
                }
                let processes = text.split(separator: "\n").first { $0.hasPrefix("processes ") }?.split(separator: " ") ?? []
                #expect(processes.allSatisfy { $0.allSatisfy(\.isNumber) || ["processes", "self", "thread-self"].contains($0) })
                #expect(!text.contains("mounted") && !text.contains("passwd"), "\(text)")
                #expect(map == ["0", "\(reader.firstID)", "65536"] && !text.contains("unlimited"), "\(text)")
                #expect(try Files.list(tree) == ["file", "link"])
            }
        }
    }
}
