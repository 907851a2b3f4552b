import AgentAPI
import CLinux
import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux

/// A file that a loop device makes a disk.
struct TestDisk {
    let file: String
    let device: String

    init(_ name: String, in folder: String, size: String = "1G") async throws {
        file = "\(folder)/\(name)"
        _ = try await Command("/usr/bin/truncate", ["-s", size, file]).run()
        device = try await TestDisk.losetup(["--find", "--show", file])
    }

    static func losetup(_ arguments: [String]) async throws -> String {
        let result = try await Command("/usr/sbin/losetup", arguments).run()
        guard result.status.isSuccess else { throw FixtureError("losetup: \(result.errorText)") }
        return result.text.filter { !$0.isWhitespace }
    }

    /// Overwrites a third of what is on it, at random, but not its superblocks.
    func damage() throws {
        let opened = try OwnedFD.open(file, O_RDWR)
        let block: Int64 = 65536
        var at = dish_seek_data(opened.number, 2 << 20)
        while at >= 0 {
            let end = dish_seek_hole(opened.number, at)
            for place in stride(from: at / block * block, to: end, by: Int(block)) where Int.random(in: 0..<3) == 0 {
                // The second superblock is at 64 MiB.
                if place == 64 << 20 { continue }
                let noise = (0..<4096).map { _ in UInt8.random(in: 0...255) }
                for offset in stride(from: Int64(0), to: block, by: 4096) {
                    _ = noise.withUnsafeBytes { pwrite(opened.number, $0.baseAddress, $0.count, off_t(place + offset)) }
                }
            }
            at = dish_seek_data(opened.number, end)
        }
        fsync(opened.number)
    }

    /// Leaves next to nothing of it: reads and writes fail from now on.
    func cut() async throws {
        _ = try await Command("/usr/bin/truncate", ["-s", "4096", file]).run()
        _ = try await TestDisk.losetup(["--set-capacity", device])
    }
}

/// An image of the host's shell and what else is needed to compare files with their digests, again and again.
enum CheckedImage {
    static let name = "//test:shell"

    /// What a task of it runs: `round` and a number for each time that all files were right, `BROKEN` once one isn't.
    static let script =
        "i=0; while sha256sum --quiet --check /sums; do echo $i > /round; i=$((i+1)); echo round $i; sleep 0.2; done; echo BROKEN; sleep 600"

    static func make(in pool: Pool) async throws {
        let programs = ["/bin/sh", "/usr/bin/sha256sum", "/bin/sleep"]
        var files: Set<String> = Set(programs)
        for program in programs {
            let text = try await Command("/usr/bin/ldd", [program]).run().text
            files.formUnion(text.matches(of: /(\/[^ ]+\.so[^ ]*)/).map { String($0.1) })
        }
        _ = try pool.name(
            name,
            pool.makeLayer(on: nil) { root in
                for directory in ["proc", "sys", "dev", "run", "tmp", "etc", "usr/bin", "usr/lib", "usr/lib64", "data"] {
                    try Files.makeDirectories("\(root)/\(directory)")
                }
                for link in ["bin", "lib", "lib64"] { symlink("usr/\(link)", "\(root)/\(link)") }
                try Files.replace("\(root)/etc/os-release", with: "ID=test\n".utf8)
                for file in files {
                    let target = root + (file.hasPrefix("/usr/") ? file : "/usr\(file)")
                    try Files.makeDirectories(Files.parent(of: target))
                    try Files.replace(target, with: Files.read(file), mode: 0o755, durable: false)
                }
                for number in 0..<24 {
                    let noise = try Command("/usr/bin/head", ["-c", "1048576", "/dev/urandom"]).runBlocking()
                    try Files.replace("\(root)/data/\(number)", with: noise.output, durable: false)
                }
                let sums = try Command("/bin/sh", ["-c", "cd \"$1\" && sha256sum data/* > sums", "sh", root]).runBlocking()
                guard sums.status.isSuccess else { throw FixtureError(sums.errorText) }
            })
    }
}

extension TestHost {
    /// Waits until each task has compared all its files so often again, from the disk.
    func waitForRounds(_ count: Int, _ tasks: [String]) async throws {
        func rounds(_ task: String) async throws -> Int {
            let log = try await dish("logs", task).output
            guard !log.contains("BROKEN") else { throw FixtureError("the task \(task) read something wrong: \(log)") }
            return log.matches(of: /round/).count
        }
        for task in tasks {
            let before = try await rounds(task)
            for attempt in 0..<600 {
                try Files.set("/proc/sys/vm/drop_caches", "1")
                if try await rounds(task) >= before + count { break }
                guard attempt < 599 else { throw FixtureError("the task \(task) stands still") }
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    /// Waits until the agent has said that of its pool.
    func waitForPoolEvent(_ what: String) async throws {
        for _ in 0..<300 {
            if try await events().contains(where: { $0.kind == .pool && $0.what == what }) { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw FixtureError("no event '\(what)': \(try await events().filter { $0.kind == .pool })\n\(agentLog)")
    }

    /// Takes a pool on disks away, whatever has happened to it.
    func takeDown(_ path: String, _ disks: [TestDisk]) async {
        _ = try? await dish("pool", "destroy", "--yes", path)
        try? Mounts.unmount(path, flags: CInt(MNT_DETACH))
        for disk in disks { _ = try? await TestDisk.losetup(["--detach", disk.device]) }
    }
}

func decoded<Value: Decodable>(_ outcome: Outcome) throws -> Value {
    do {
        return try JSONDecoder().decode(Value.self, from: Data(outcome.output.utf8))
    } catch {
        throw FixtureError("\(error): \(outcome)")
    }
}
