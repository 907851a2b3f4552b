import Fixtures
import Layers
import Linux

/// The image with the program: `//org:base` of the examples, which boots and has an SSH server.
enum AttackImage {
    static let name = "//attack:image"
    static let program = "/usr/local/bin/attack"

    /// A workspace that has the examples and the program. Building the image in the shared pool twice builds nothing.
    static func workspace() async throws -> TestWorkspace {
        let workspace = try TestWorkspace()
        let program = try await AttackProgram.shared.build()
        try Files.makeDirectories("\(workspace.path)/attack")
        let copied = try await Command(
            "/bin/sh",
            ["-ec", "cp -r '\(Programs.exampleWorkspace)/org' '\(workspace.path)'; cp '\(program)' '\(workspace.path)/attack'"]
        ).run()
        guard copied.status.isSuccess else { throw FixtureError("make the workspace: \(copied.errorText)") }
        try write(workspace)
        return workspace
    }

    /// - Parameter more: other images of the file.
    static func write(_ workspace: TestWorkspace, more: String = "") throws {
        try workspace.write(
            "attack/IMAGES.yaml",
            """
            images:
              - name: image
                parent: //org:base
                files: [{path: \(program), source: attack, mode: "0755"}]

            """ + more)
    }

    static func build(_ host: TestHost) async throws {
        let built = try await host.dish("image", "build", name, in: try await workspace().path)
        guard built.code == 0 else { throw FixtureError("build the image of the attacks: \(built)") }
    }
}
