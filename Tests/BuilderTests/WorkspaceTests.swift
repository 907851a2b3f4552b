import Glibc
import Linux
import Manifest
import Testing

@testable import Builder

/// Writes a workspace, and takes it away afterwards.
func withWorkspace<Result>(
    _ files: [String: String], named name: String = "ws", _ body: (Workspace) throws -> Result
) throws -> Result {
    let root = "/tmp/dish-unit-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    defer { try? Files.removeTree(root) }
    for (path, text) in files.merging(["WORKSPACE": ""], uniquingKeysWith: { first, _ in first }) {
        try Files.makeDirectories(Files.parent(of: "\(root)/\(name)/\(path)"))
        try Files.replace("\(root)/\(name)/\(path)", with: text.utf8, durable: false)
    }
    return try body(Workspace(around: "\(root)/\(name)"))
}

@Suite struct WorkspaceTests {
    private let stack = [
        "os/IMAGES.yaml": "images:\n  - name: base\n    base: {debian: {suite: bookworm}}\n",
        "org/IMAGES.yaml": "images:\n  - name: base\n    parent: //os:base\n",
        "web/IMAGES.yaml": "images:\n  - name: app\n    parent: //org:base\n  - name: extra\n    parent: :app\n",
    ]

    @Test func parentsComeBeforeTheImagesThatStandOnThemAndEachOnce() throws {
        try withWorkspace(stack) { workspace in
            let targets = try workspace.targets([Label("//web:extra")!, Label("//web:app")!, Label("//os:base")!])
            #expect(targets.map(\.label.description) == ["//os:base", "//org:base", "//web:app", "//web:extra"])
        }
    }

    @Test func whatIsNoFileIsNotWaitedFor() throws {
        try withWorkspace(stack) { workspace in
            for (folder, name) in [("fifo", "IMAGES.yaml"), (".", "IMAGES.lock")] {
                try Files.makeDirectories("\(workspace.root)/\(folder)")
                #expect(mkfifo("\(workspace.root)/\(folder)/\(name)", 0o600) == 0)
            }
            #expect(throws: (any Error).self) { try workspace.targets([Label("//fifo:app")!]) }
            #expect(throws: (any Error).self) { try LockFile.read(workspace) }
        }
    }

    @Test func allImagesAreFoundInTheOrderOfTheirLabels() throws {
        try withWorkspace(stack.merging([".git/IMAGES.yaml": "nonsense"]) { $1 }) { workspace in
            let labels = try workspace.allLabels().map(\.description)
            #expect(labels == ["//org:base", "//os:base", "//web:app", "//web:extra"])
        }
    }

    @Test func aLinkThatLeadsBackIsNoEndlessFolder() throws {
        try withWorkspace(stack) { workspace in
            #expect(symlink("..", "\(workspace.root)/web/up") == 0)
            let labels = try workspace.allLabels()
            #expect(labels.count == 4)
        }
    }

    @Test func aCycleIsNamedWithThePlaceThatClosesIt() throws {
        let files = [
            "a/IMAGES.yaml": "images:\n  - name: x\n    parent: //b:y\n",
            "b/IMAGES.yaml": "images:\n  - name: y\n    parent: //a:x\n",
        ]
        try withWorkspace(files) { workspace in
            let error = #expect(throws: ManifestError.self) { try workspace.targets([Label("//a:x")!]) }
            #expect(error?.description == "b/IMAGES.yaml:3:13: the images stand on each other: //a:x -> //b:y -> //a:x")
        }
        try withWorkspace(["IMAGES.yaml": "images:\n  - name: x\n    parent: :x\n"]) { workspace in
            let error = #expect(throws: ManifestError.self) { try workspace.targets([Label("//:x")!]) }
            #expect(error?.description == "IMAGES.yaml:3:13: the images stand on each other: //:x -> //:x")
        }
    }

    @Test func anImageThatIsMissingIsNamedWithWhatThereIs() throws {
        try withWorkspace(stack) { workspace in
            var error = #expect(throws: BuildError.self) { try workspace.targets([Label("//web:ap")!]) }
            #expect(error?.code == .unknownTarget)
            #expect(
                error?.description
                    == "there is no image '//web:ap': '\(workspace.root)/web/IMAGES.yaml' defines app, extra")
            error = #expect(throws: BuildError.self) { try workspace.targets([Label("//none:a")!]) }
            #expect(error?.description == "there is no image '//none:a': '\(workspace.root)/none/IMAGES.yaml' doesn't exist")
        }
        try withWorkspace(["a/IMAGES.yaml": "images:\n  - name: x\n    parent: //os:base\n"]) { workspace in
            let error = #expect(throws: ManifestError.self) { try workspace.targets([Label("//a:x")!]) }
            #expect(error?.description.hasPrefix("a/IMAGES.yaml:3:13: there is no image '//os:base': ") == true)
        }
    }

    @Test func packagesNeedABaseOfPackages() throws {
        let files = ["a/IMAGES.yaml": "images:\n  - {name: x, base: scratch}\n  - {name: y, parent: ':x', packages: [curl]}\n"]
        try withWorkspace(files) { workspace in
            let error = #expect(throws: ManifestError.self) { try workspace.targets([Label("//a:y")!]) }
            #expect(
                error?.description
                    == "a/IMAGES.yaml:3:40: //a:y can't have packages: it doesn't stand on a base of Debian packages ('base: debian')"
            )
            let fine = try workspace.targets([Label("//a:x")!])
            #expect(fine.count == 1)
        }
    }

    @Test func anErrorInAFileThatNobodyNeedsStopsNobody() throws {
        try withWorkspace(stack.merging(["bad/IMAGES.yaml": "images: 1"]) { $1 }) { workspace in
            let targets = try workspace.targets([Label("//os:base")!])
            #expect(targets.count == 1)
            #expect(throws: ManifestError.self) { try workspace.allLabels() }
        }
    }

    /// The path may have characters of several bytes.
    @Test(arguments: ["ws", "józef 👩‍👩/ws"]) func theWorkspaceIsFoundFromAnyFolderInIt(_ name: String) throws {
        try withWorkspace(stack, named: name) { workspace in
            #expect(Workspace(around: "\(workspace.root)/web").root == workspace.root)
            #expect(Workspace(around: "\(workspace.root)/web/deep/../none").root == workspace.root)
            #expect(workspace.folder(at: workspace.root) == "")
            #expect(workspace.folder(at: "\(workspace.root)/web/inner/") == "web/inner")
            #expect(workspace.folder(at: "\(workspace.root)-other") == nil)
            #expect(workspace.path(of: "") == workspace.root)
            #expect(workspace.path(of: "a/b") == "\(workspace.root)/a/b")
        }
    }
}
