import Testing

@testable import Builder

@Suite struct LockFileTests {
    @Test func whatIsNoLockFileIsNamed() throws {
        try withWorkspace(["IMAGES.lock": "{"]) { workspace in
            let error = #expect(throws: BuildError.self) { try LockFile.read(workspace) }
            #expect(error?.code == .lock)
            let message = error?.description ?? ""
            #expect(message.hasPrefix("'\(workspace.root)/IMAGES.lock' is not a lock file ("), "\(message)")
            #expect(message.hasSuffix("); restore it or remove it and run: dish image plan"), "\(message)")
        }
    }

    @Test func aLockFileOfALaterProgramIsRefused() throws {
        try withWorkspace(["IMAGES.lock": #"{"version": 2, "images": {}}"#]) { workspace in
            let error = #expect(throws: BuildError.self) { try LockFile.read(workspace) }
            #expect(error?.description == "'\(workspace.root)/IMAGES.lock' has version 2; this program knows 1")
        }
    }
}
