import AgentAPI
import CLinux
import Fixtures
import Glibc
import Linux

/// A pool of a test's own, on a loop file: one that does it harm. It has the image `//tool:shell`.
struct SmallPool {
    let host: TestHost
    let path: String

    /// Calls with a pool and takes it down, whatever happened to it.
    static func use(size: String = "1G", _ body: (SmallPool) async throws -> Void) async throws {
        let path = try Scratch.make("small") + "/pool"
        let pool = SmallPool(host: try TestHost(pool: path), path: path)
        do {
            let made = try await pool.host.dish("pool", "create", path, "--size", size)
            guard made.code == 0 else { throw FixtureError("make the pool: \(made)") }
            try await Registries.buildShell(pool.host)
            try await body(pool)
            pool.takeDown()
        } catch {
            pool.takeDown()
            throw error
        }
    }

    private func takeDown() {
        while ((try? Mounts.list()) ?? []).contains(where: { $0.path == path }) {
            guard (try? Mounts.unmount(path, flags: CInt(MNT_DETACH))) != nil else { break }
        }
        unlink("\(path).img")
    }

    /// Starts a task that sleeps.
    @discardableResult
    func run(_ name: String, _ options: String..., seconds: Int = 86399) async throws -> Outcome {
        try await host.dish(
            arguments: ["run", "-d", "--name", name, "--network", "none"] + options + [
                "//tool:shell", "--", "/bin/sleep", "\(seconds)",
            ])
    }

    /// What one that must start is then.
    func start(_ name: String, _ options: String...) async throws -> TaskStatus {
        let started = try await host.dish(
            arguments: ["run", "-d", "--name", name, "--network", "none"] + options + [
                "//tool:shell", "--", "/bin/sleep", "86399",
            ])
        guard started.code == 0 else { throw FixtureError("start '\(name)': \(started)\n\(host.agentLog)") }
        return try await host.task(name)
    }

    /// Lays a read-only mount over the pool: who opens something by its path can write nothing, as after an error of the disk.
    func becomeReadOnly() throws {
        try Mounts.mount(path, on: path, flags: UInt(MS_BIND))
        try Mounts.mount("none", on: path, flags: UInt(MS_REMOUNT | MS_BIND | MS_RDONLY))
    }

    func becomeWritable() throws { try Mounts.unmount(path) }

    /// Takes all but the first sector of its device away, as a disk that is pulled out; or gives it back.
    func setDevicePresent(_ present: Bool) throws {
        guard let device = try Mounts.list().first(where: { $0.path == path })?.source else { throw FixtureError("no device") }
        let file = try OwnedFD.open(device, O_RDWR)
        var status = loop_info64()
        // linux/loop.h: LOOP_GET_STATUS64, LOOP_SET_STATUS64.
        guard dish_ioctl(file.number, 0x4C05, &status) == 0 else { throw SystemError("read the status of", device) }
        status.lo_sizelimit = present ? 0 : 512
        guard dish_ioctl(file.number, 0x4C04, &status) == 0 else { throw SystemError("resize", device) }
    }
}
