import Glibc
import Layers
import Linux
import Testing

@testable import Builder

@Suite struct InputDigestsTests {
    private final class Folder {
        let path = "/tmp/dish-unit-\(getpid())-\(UInt32.random(in: 0 ... .max))"

        init() throws { try Files.makeDirectories(path) }

        deinit { try? Files.removeTree(path) }

        func write(_ text: String, replacing: Bool = true) throws {
            if replacing { return try Files.replace("\(path)/file", with: text.utf8, durable: false) }
            let file = try OwnedFD.open("\(path)/file", O_WRONLY | O_TRUNC)
            try Files.write(Array(text.utf8), to: file.number, "file")
        }
    }

    /// The digest, and whether the file was read for it.
    private func digest(_ folder: Folder, _ digests: InputDigests) throws -> (digest: String, wasRead: Bool) {
        let path = "\(folder.path)/file"
        let file = try OwnedFD.open(path, O_RDONLY)
        if let known = try digests.digest(of: file, path) { return (known, false) }
        let digest = try digests.remembering(file, path) { file in
            let digest = hexadecimal(ContentHash.bytes(try Files.read(file, path)))
            return (digest, digest)
        }
        return (digest, true)
    }

    private func digests(_ folder: Folder, after seconds: Int64) -> InputDigests {
        InputDigests(file: "\(folder.path)/cache/inputs.json") { Int64(time(nil)) + seconds }
    }

    @Test func aFileThatHasNotChangedIsReadOnce() throws {
        let folder = try Folder()
        try folder.write("one")
        let first = digests(folder, after: 60)
        let read = try digest(folder, first)
        #expect(read.wasRead)
        #expect(try digest(folder, first) == (read.digest, false))
        try first.save()
        #expect(try digest(folder, digests(folder, after: 60)) == (read.digest, false))
    }

    @Test func aFileThatWasJustWrittenIsReadAgain() throws {
        let folder = try Folder()
        try folder.write("one")
        let first = digests(folder, after: 0)
        #expect(try digest(folder, first).wasRead)
        // One build reads it once.
        #expect(try !digest(folder, first).wasRead)
        try first.save()
        #expect(try digest(folder, digests(folder, after: 0)).wasRead)
        #expect(try digest(folder, digests(folder, after: 60)).wasRead)
        // A clock that was set back says nothing either.
        #expect(try digest(folder, digests(folder, after: -60)).wasRead)
    }

    @Test func everyChangeIsSeen() throws {
        let folder = try Folder()
        try folder.write("one")
        let digests = digests(folder, after: 60)
        var last = try digest(folder, digests).digest
        let changes: [() throws -> Void] = [
            { try folder.write("two") },
            { try folder.write("six", replacing: false) },
            {
                // The same size, and the time of modification set back.
                var status = stat()
                try retryingInterrupts("stat", "file") { stat("\(folder.path)/file", &status) }
                try folder.write("ten", replacing: false)
                utimensat(AT_FDCWD, "\(folder.path)/file", [status.st_atim, status.st_mtim], 0)
            },
            { try folder.write("longer") },
        ]
        for change in changes {
            #expect(try digest(folder, digests) == (last, false))
            // A change within one tick of the kernel's clock leaves the times as they are; that is what the seconds are for, which this
            // clock has skipped.
            usleep(20_000)
            try change()
            let now = try digest(folder, digests)
            #expect(now.wasRead && now.digest != last)
            last = now.digest
        }
    }

    @Test func aDamagedListIsAnEmptyOne() throws {
        let folder = try Folder()
        try folder.write("one")
        try Files.makeDirectories("\(folder.path)/cache")
        try Files.replace("\(folder.path)/cache/inputs.json", with: "{".utf8, durable: false)
        #expect(try digest(folder, digests(folder, after: 60)).wasRead)
    }
}
