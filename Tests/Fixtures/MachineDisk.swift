import Btrfs
import Linux

/// The disk of a test machine: one Btrfs file system that holds the machine's root as the subvolume `machine` and, at
/// its top, a pool with the images of `examples/web`. The root is itself an image: `Tests/HostTests/machine`. The subvolume `fresh`
/// is the same without Butterdish.
enum MachineDisk {
    /// Kernel modules of user-mode-linux, as its Debian package has them.
    private static let modules = "/usr/lib/uml/modules"
    /// Where the machine has the programs under test.
    static let prefix = "/opt/dish"

    /// Makes one and returns the file's path.
    static func make() async throws -> String {
        let directory = try Scratch.make("disk")
        let pool = "\(directory)/pool"
        let host = try TestHost()
        // The machine's kernel is 6.1, which can't mount a file system with simple quotas.
        try check(await host.dish("pool", "create", pool, "--size", "6G", "--no-quotas"), "make the pool")
        let workspace = try await workspace()
        let built = try await host.dish("image", "build", "//web:app", "//machine:machine", "--pool", pool, in: workspace)
        try check(built, "build the images")
        let shown = try await host.dish("image", "show", "//machine:machine", "--json", "--pool", pool)
        guard let layer = shown.output.firstMatch(of: /"id" : "([0-9a-f]+)"/)?.1 else {
            throw FixtureError("find the machine's image: \(shown)")
        }
        let (root, fresh) = ("\(pool)/machine", "\(pool)/fresh")
        try Subvolume.snapshot("\(pool)/layers/\(layer)/rootfs", to: fresh)
        try Files.makeDirectories("\(fresh)/usr/lib/modules")
        try await copy(try Files.list(modules).map { "\(modules)/\($0)" }, to: "\(fresh)/usr/lib/modules")
        try Subvolume.snapshot(fresh, to: root)
        // What a release doesn't need; no part of the package that is installed there.
        try await copy(libraries(of: programs), to: "\(fresh)/usr/local/lib")
        try await install(in: root)
        // What the images were built from, so that others can be built on them.
        try Files.makeDirectories("\(root)/root/workspace")
        try await copy(["\(workspace)/."], to: "\(root)/root/workspace")
        // A container that started meanwhile may hold the mount for a while longer, and so what isn't written yet.
        try Filesystem(at: pool).sync()
        try Mounts.unmount(pool)
        return "\(pool).img"
    }

    /// A copy of the examples that has the machine too, so that both stand on one base.
    private static func workspace() async throws -> String {
        let workspace = try Scratch.make("workspace")
        try await copy(["\(Programs.exampleWorkspace)/."], to: workspace)
        try await copy(["\(Programs.repository)/Tests/HostTests/machine"], to: workspace)
        return workspace
    }

    private static let programs = ["dish", "dishd", "dish-helper"].map(Programs.path)

    /// The programs and the agent's unit.
    private static func install(in root: String) async throws {
        let target = "\(root)\(prefix)/bin"
        try Files.makeDirectories(target)
        try await copy(programs + libraries(of: programs), to: target)
        for name in ["dishd.service", "dishd.socket"] {
            let unit = try Files.readText("\(Programs.repository)/scripts/\(name)")
                .split(separator: "@PREFIX@", omittingEmptySubsequences: false).joined(separator: prefix)
            try Files.replace("\(root)/etc/systemd/system/\(name)", with: unit.utf8, durable: false)
        }
    }

    /// Shared libraries that don't come from Debian: Swift's, unless they are linked statically. The programs look for them in
    /// their own directory.
    private static func libraries(of programs: [String]) async throws -> [String] {
        var found: Set<String> = []
        for program in programs {
            let listed = try await Command("/usr/bin/ldd", [program]).run().text
            for match in listed.matches(of: /=> (\/\S+)/) {
                let path = String(match.1)
                if !["/lib/", "/lib64/", "/usr/lib/"].contains(where: path.hasPrefix) { found.insert(path) }
            }
        }
        return found.sorted()
    }

    private static func copy(_ sources: [String], to target: String) async throws {
        guard !sources.isEmpty else { return }
        let result = try await Command("/bin/cp", ["-a", "--dereference", "--target-directory=\(target)"] + sources).run()
        guard result.status.isSuccess else { throw FixtureError("copy to \(target): \(result.errorText)") }
    }

    private static func check(_ outcome: Outcome, _ what: String) throws {
        guard outcome.code == 0 else { throw FixtureError("\(what): \(outcome)") }
    }
}
