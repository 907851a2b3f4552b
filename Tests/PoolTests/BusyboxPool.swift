import Fixtures
import Glibc
import Linux

/// A small pool of a test's own, with an image of one program, which starts at once: `//:box`.
struct BusyboxPool {
    let path: String

    /// - Parameter more: another file of the image.
    static func with<Result>(more: String? = nil, _ body: (BusyboxPool) async throws -> Result) async throws -> Result {
        let folder = try Scratch.make("box")
        let pool = BusyboxPool(path: "\(folder)/pool")
        let host = try TestHost(pool: pool.path)
        let made = try await host.dish("pool", "create", pool.path, "--size", "2G")
        guard made.code == 0 else { throw FixtureError("make the pool: \(made)") }
        func destroy() async {
            _ = try? await host.dish("pool", "destroy", pool.path, "--yes")
            try? Mounts.unmount(pool.path, flags: CInt(MNT_DETACH))
        }
        do {
            let workspace = "\(folder)/workspace"
            try Files.makeDirectories(workspace)
            try Files.replace("\(workspace)/WORKSPACE", with: [])
            guard let busybox = Executable.find("busybox") else { throw FixtureError("busybox is not installed") }
            try Files.replace("\(workspace)/busybox", with: try Files.read(busybox))
            let links = ["cat", "echo", "false", "httpd", "nc", "sh", "sleep"].map { "{path: /bin/\($0), target: busybox}" }
            let image = """
                images:
                  - name: box
                    base: scratch
                    files:
                      - {path: /bin/busybox, source: busybox, mode: "0755"}
                      - {path: /etc/passwd, text: "root:x:0:0:root:/:/bin/sh\\n"}
                      - {path: /etc/os-release, text: "ID=box\\n"}
                      - {path: /srv/index.html, text: "box\\n"}
                      \(more.map { "- \($0)" } ?? "")
                    symlinks: [\(links.joined(separator: ", "))]
                """
            try Files.replace("\(workspace)/IMAGES.yaml", with: image.utf8)
            let built = try await host.dish("image", "build", "//:box", in: workspace)
            guard built.code == 0 else { throw FixtureError("build the image: \(built)") }
            let result = try await body(pool)
            await destroy()
            return result
        } catch {
            await destroy()
            throw error
        }
    }

    /// The command of a task that serves `/` on both kinds of addresses.
    static let server = ["/bin/httpd", "-f", "-p", "[::]:80", "-h", "/srv"]
}

/// A program of the host that runs while a test does, in one of the host's network namespaces.
final class BackgroundProgram: Sendable {
    private let pid: pid_t

    /// - Parameter namespace: the path of a network namespace; nil for the host's own.
    init(_ arguments: [String], in namespace: String? = nil) throws {
        var spawn = Spawn("/usr/bin/env", arguments)
        spawn.networkNamespace = namespace
        pid = try spawn.start()
    }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// Tests/Fixtures/connection_probe.py.
    static let probe = ["python3", "\(Programs.repository)/Tests/Fixtures/connection_probe.py"]
}
