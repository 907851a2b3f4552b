import Testing

@testable import DebianPackages

/// What a lock file says becomes paths and URIs.
@Suite struct ArchivePathTests {
    @Test(arguments: ["pool/main/a/apt/apt_2.6.1_amd64.deb", "a", "pool/main/g/g++/g++_4%3a12_amd64.deb"])
    func aPathBelowAnArchiveIsTaken(_ path: String) {
        #expect(DebianArchive.isArchivePath(path))
    }

    @Test(arguments: ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", "a b", "a\nb", "ä", "a/../\u{338}b"])
    func anyOtherPathIsNot(_ path: String) {
        #expect(!DebianArchive.isArchivePath(path))
    }

    @Test func aDigestIs64SmallHexadecimalDigits() {
        let digest = String(repeating: "0123456789abcdef", count: 4)
        #expect(DebianArchive.isDigest(digest))
        for other in ["", String(digest.dropLast()), digest + "0", digest.uppercased(), "g" + digest.dropFirst()] {
            #expect(!DebianArchive.isDigest(other))
        }
    }
}
