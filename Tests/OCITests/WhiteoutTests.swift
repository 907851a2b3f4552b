import Glibc
import Linux
import Testing

@testable import OCI

/// Whiteouts hide what the layers below have, and nothing else, in whatever order an archive has them.
@Suite struct WhiteoutTests {
    private typealias Fill = (TestArchive) throws -> Void

    /// What is in a root after a layer, in every order of its entries: paths, with what is in files and where links lead.
    private func outcomes(below: (String) throws -> Void, _ entries: [Fill]) throws -> Set<[String]> {
        var found: Set<[String]> = []
        for order in Self.permutations(entries.indices.map { $0 }) {
            let archive = try TestArchive()
            try below(archive.root)
            for index in order { try entries[index](archive) }
            try archive.unpack()
            found.insert(try Self.listing(archive.root))
        }
        return found
    }

    private static func permutations(_ items: [Int]) -> [[Int]] {
        if items.count < 2 { return [items] }
        return items.flatMap { first in permutations(items.filter { $0 != first }).map { [first] + $0 } }
    }

    private static func listing(_ directory: String, _ prefix: String = "") throws -> [String] {
        try Files.list(directory).flatMap { name -> [String] in
            let path = "\(directory)/\(name)"
            var status = stat()
            guard lstat(path, &status) == 0 else { return ["\(prefix)\(name)?"] }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: return ["\(prefix)\(name)/"] + (try listing(path, "\(prefix)\(name)/"))
            case S_IFLNK: return ["\(prefix)\(name)@"]
            default: return ["\(prefix)\(name)=\(try Files.readText(path))"]
            }
        }
    }

    private func put(_ root: String, _ files: String...) throws {
        for file in files {
            try Files.makeDirectories(Files.parent(of: "\(root)/\(file)"))
            try Files.replace("\(root)/\(file)", with: "below".utf8, durable: false)
        }
    }

    @Test func whatIsBelowANewLinkIsNotTheLinksTarget() throws {
        let found = try outcomes(
            below: { try put($0, "a/x", "b/x") },
            [{ try $0.add("a", .symbolicLink, link: "b") }, { try $0.add("a/.wh.x", "") }, { try $0.add("c", "new") }])
        #expect(found == [["a@", "b/", "b/x=below", "c=new"]])
        // And so through two links, of which the second is new.
        let twice = try outcomes(
            below: { root in
                try put(root, "a/x", "b/x")
                symlink("a", "\(root)/l")
            }, [{ try $0.add("a", .symbolicLink, link: "b") }, { try $0.add("l/.wh.x", "") }])
        #expect(twice == [["a@", "b/", "b/x=below", "l@"]])
    }

    @Test func whatIsBelowANewFileIsNothing() throws {
        let found = try outcomes(
            below: { try put($0, "a/x", "b/x") }, [{ try $0.add("a", "file") }, { try $0.add("a/.wh.x", "") }])
        #expect(found == [["a=file", "b/", "b/x=below"]])
    }

    /// As Podman and Docker have it: a link that stays leads to what is meant.
    @Test func whatIsBelowALinkOfTheLayersBelowGoes() throws {
        let found = try outcomes(
            below: { root in
                try put(root, "usr/lib/x", "usr/lib/y")
                symlink("usr/lib", "\(root)/lib")
            }, [{ try $0.add("lib/.wh.x", "") }, { try $0.add("usr/lib/z", "new") }])
        #expect(found == [["lib@", "usr/", "usr/lib/", "usr/lib/y=below", "usr/lib/z=new"]])
    }

    @Test func aLinkThatGoesLeadsNowhere() throws {
        func below(_ root: String) throws {
            try put(root, "b/x")
            symlink("/b", "\(root)/c")
        }
        let removed = try outcomes(below: below, [{ try $0.add(".wh.c", "") }, { try $0.add("c/.wh.x", "") }])
        #expect(removed == [["b/", "b/x=below"]])
        let replaced = try outcomes(
            below: below,
            [{ try $0.add("c", .directory, mode: 0o755) }, { try $0.add("c/.wh.x", "") }, { try $0.add("d", "new") }])
        #expect(replaced == [["b/", "b/x=below", "c/", "d=new"]])
    }

    @Test func whatALayerPutsThereByAnotherWayStays() throws {
        let found = try outcomes(
            below: { root in
                try put(root, "usr/lib/old")
                symlink("usr/lib", "\(root)/lib")
            },
            [{ try $0.add("lib/new", "new") }, { try $0.add("usr/lib/.wh..wh..opq", "") }, { try $0.add("usr/lib/.wh.new", "") }])
        #expect(found == [["lib@", "usr/", "usr/lib/", "usr/lib/new=new"]])
    }

    @Test func anOpaqueDirectoryHasOnlyWhatItsLayerHas() throws {
        let found = try outcomes(
            below: { try put($0, "a/x", "a/sub/y", "a/deep/er/z") },
            [
                { try $0.add("a/.wh..wh..opq", "") }, { try $0.add("a/sub/new", "new") }, { try $0.add("a/x", "again") },
                { try $0.add("a", .directory, mode: 0o755) },
            ])
        #expect(found == [["a/", "a/sub/", "a/sub/new=new", "a/x=again"]])
    }

    @Test func aNameThatIsHiddenAndGivenIsGiven() throws {
        let found = try outcomes(
            below: { try put($0, "a/x", "a/y", "f") },
            [
                { try $0.add(".wh.a", "") }, { try $0.add("a", .directory, mode: 0o755) }, { try $0.add("a/x", "new") },
                { try $0.add(".wh.f", "") },
            ])
        #expect(found == [["a/", "a/x=new"]])
    }

    /// A further name of a file from below stays when the first one goes.
    @Test func aHiddenFileKeepsTheNamesOfThisLayer() throws {
        let archive = try TestArchive()
        try put(archive.root, "f")
        try archive.add("g", .hardLink, link: "f")
        try archive.add(".wh.f", "")
        try archive.unpack()
        #expect(try Self.listing(archive.root) == ["g=below"])
    }

    @Test func theTimeOfADirectoryDoesNotDependOnTheWayToIt() throws {
        let archive = try TestArchive()
        try put(archive.root, "usr/lib/old")
        symlink("usr/lib", "\(archive.root)/lib")
        let time = timespec(tv_sec: 1_600_000_000, tv_nsec: 5)
        var times = [time, time]
        #expect(utimensat(AT_FDCWD, "\(archive.root)/usr/lib", &times, 0) == 0)
        try archive.add("lib/a", "x")
        try archive.add("usr/lib/b", "x")
        try archive.add("lib/.wh.old", "")
        try archive.unpack()
        var status = stat()
        #expect(stat("\(archive.root)/usr/lib", &status) == 0 && status.st_mtim.tv_sec == 1_600_000_000)
        #expect(try Self.listing(archive.root) == ["lib@", "usr/", "usr/lib/", "usr/lib/a=x", "usr/lib/b=x"])
    }

    @Test func whatAufsWroteForItselfIsInNoImage() throws {
        let archive = try TestArchive()
        try archive.add(".wh..wh.aufs", "")
        try archive.add(".wh..wh.orph", .directory, mode: 0o700)
        try archive.add(".wh..wh.plnk", .directory, mode: 0o700)
        try archive.add(".wh..wh.plnk/17.42", "linked")
        try archive.add(".wh..wh.plnk/dir", .directory, mode: 0o700)
        try archive.add("a/one", .hardLink, link: ".wh..wh.plnk/17.42")
        try archive.add("two", .hardLink, link: "/.wh..wh.plnk/17.42")
        try archive.add("a/.wh..wh.orph/lost", "x")
        try archive.unpack()
        #expect(try Self.listing(archive.root) == ["a/", "a/one=linked", "two=linked"])
        var status = stat()
        #expect(stat("\(archive.root)/two", &status) == 0 && status.st_nlink == 2)
    }

    @Test(arguments: [".wh.", ".wh...", ".wh..", "a/.wh.."]) func whiteoutsOfNothingAreRefused(_ name: String) throws {
        let archive = try TestArchive()
        try archive.add(name, "")
        #expect(throws: OCIError.self) { try archive.unpack() }
    }

    @Test func nothingLiesBelowAWhiteout() throws {
        let archive = try TestArchive()
        try archive.add(".wh.a/b", "x")
        let error = #expect(throws: OCIError.self) { try archive.unpack() }
        #expect(error?.description.contains("means a removal") == true)
    }
}
