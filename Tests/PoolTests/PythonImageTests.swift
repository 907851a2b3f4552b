import Fixtures
import Foundation
import Glibc
import Linux
import Testing

/// Python packages in images: the example, from its index to a running program.
extension BuildEngine {
    @Suite struct PythonImageTests {
        @Test func wheelsAreLockedFetchedByDigestAndInstalledWithoutNetwork() async throws {
            let host = try await BuildEnginePool.shared.host()
            let pool = try #require(host.pool)
            let workspace = try TestWorkspace()
            let example = "\(Programs.repository)/examples/python"
            // On a base that is here.
            let base = "base: {debian: {suite: bookworm, variant: minimal}}"
            let text = try Files.readText("\(example)/IMAGES.yaml")
            try #require(text.contains(base))
            try workspace.write("python/IMAGES.yaml", text.replacingOccurrences(of: base, with: "parent: //os:base"))
            try workspace.write("python/hello.py", try Files.readText("\(example)/hello.py"))
            let label = "//python:hello"
            // A pip of the workspace's own is never run.
            let canary = try Scratch.make("canary") + "/written"
            try workspace.write("pip.py", "open('\(canary)', 'w')\n")
            let planned = try await host.dish("image", "plan", label, in: workspace.path)
            try #require(planned.code == 0, "\(planned)")
            #expect(!Files.exists(canary))
            // The lock has digests, and no address.
            let lock = try Files.readText("\(workspace.path)/IMAGES.lock")
            #expect(lock.contains(#""name" : "flask""#) && lock.contains(#""isInstaller" : true"#))
            #expect(!lock.contains("://"))
            // What is here is not what was resolved: all is fetched again, by digest.
            try Files.removeTree("\(pool)/cache/wheels")
            let tested = try await host.dish("image", "test", label, "--locked", in: workspace.path)
            try #require(tested.code == 0, "\(tested)")
            // From a folder, where no index is asked.
            let vendor = try Scratch.make("wheels")
            let kept = try await host.dish("image", "plan", label, "--vendor", vendor, in: workspace.path)
            try #require(kept.code == 0, "\(kept)")
            #expect(try Files.list(vendor).contains { $0.hasPrefix("flask-") && $0.hasSuffix(".whl") })
            try Files.removeTree("\(pool)/cache/wheels")
            // The same wheels make the same files: a step that does nothing has them installed again.
            try workspace.write(
                "python/IMAGES.yaml", try Files.readText("\(workspace.path)/python/IMAGES.yaml") + "    run: [sync]\n")
            let again = try await host.dish("image", "build", label, "--vendor", vendor, in: workspace.path)
            try #require(again.code == 0, "\(again)")
            let layers = try [tested, again].map { try #require($0.errors.firstMatch(of: /hello: built layer ([0-9a-f]+)/)?.1) }
            #expect(layers[0] == layers[1])
        }

        @Test func whatCannotBeResolvedIsSaidWithItsPlace() async throws {
            let host = try await BuildEnginePool.shared.host()
            let workspace = try TestWorkspace()
            try workspace.write(
                "python/IMAGES.yaml",
                "images:\n  - name: without\n    parent: //os:base\n    python: [{packages: [flask]}]\n")
            let without = try await host.dish("image", "plan", "//python:without", in: workspace.path)
            #expect(without.code == 1)
            #expect(
                without.errors.contains(
                    "python/IMAGES.yaml:4:14: //python:without has no python3; add it to 'packages' of the image or of one that it stands on"
                ), "\(without)")
            try workspace.write(
                "python/IMAGES.yaml",
                "images:\n  - name: unknown\n    parent: //os:base\n    packages: [python3]\n    python: [{packages: [\"flask>999\"]}]\n"
            )
            let unknown = try await host.dish("image", "plan", "//python:unknown", in: workspace.path)
            #expect(unknown.code == 1)
            #expect(unknown.errors.contains("python/IMAGES.yaml:5:14: pip: "), "\(unknown)")
            #expect(unknown.errors.contains("flask>999"), "\(unknown)")
        }
    }
}
