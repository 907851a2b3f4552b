import Glibc
import Linux
import Runtime
import Testing

@testable import DebianPackages

/// Packages that lead files of others elsewhere.
@Suite(.enabled(if: geteuid() == 0 && Executable.find("dpkg-deb") != nil, "NOT RUN: needs root and dpkg-deb"))
struct HostilePackageTests {
    private struct NoRuntime: Runtime {
        func spawn(_ container: Container) throws(RuntimeError) -> Spawn { throw RuntimeError(.notInstalled, "nothing runs") }
    }

    private let folder: String

    init() throws {
        var template = Array("/tmp/dish-packages-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("create temporary directory") }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func package(_ name: String, _ fill: (String) throws -> Void) async throws -> LockedPackage {
        let tree = "\(folder)/\(name)"
        try Files.makeDirectories("\(tree)/DEBIAN")
        let control = "Package: \(name)\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
        try Files.replace("\(tree)/DEBIAN/control", with: control.utf8, durable: false)
        try fill(tree)
        let made = try await Command("/usr/bin/dpkg-deb", ["-Znone", "--build", tree, "\(folder)/\(name).deb"]).run()
        #expect(made.status.isSuccess, "\(made.errorText)")
        return LockedPackage(
            name: name, version: "1", architecture: "all", path: "\(name).deb", size: 0, sha256: "", isAutomatic: false,
            isEssential: true)
    }

    @Test func aLinkOfOnePackageLeadsTheFilesOfTheNextNowhereOutside() async throws {
        defer { try? Files.removeTree(folder) }
        let (outside, root) = ("\(folder)/outside", "\(folder)/root")
        for path in [outside, root] { try Files.makeDirectories(path) }
        let links = try await package("first") { tree in
            try Files.makeDirectories("\(tree)/etc")
            #expect(symlink("usr/share", "\(tree)/data") == 0)
            #expect(symlink(outside, "\(tree)/absolute") == 0)
            #expect(symlink("../../../../../../../..\(outside)", "\(tree)/etc/up") == 0)
        }
        let files = try await package("second") { tree in
            for path in ["data", "absolute", "etc/up", "bin", "usr/share"] {
                try Files.makeDirectories("\(tree)/\(path)")
                try Files.replace("\(tree)/\(path)/\(Files.name(of: path))-file", with: "x".utf8, durable: false)
            }
        }
        let installer = PackageInstaller(runtime: NoRuntime(), userBase: nil)
        await #expect(throws: (any Error).self) {
            try await installer.bootstrap(
                root: root, packages: [links, files], files: { "\(folder)/\($0.name).deb" }, log: { _ in })
        }
        #expect(try Files.list(outside) == [])
        // A merged /usr is followed inside, as dpkg does.
        #expect(try Files.list("\(root)/usr/bin") == ["bin-file"])
        var status = stat()
        #expect(lstat("\(root)/bin", &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    }
}
