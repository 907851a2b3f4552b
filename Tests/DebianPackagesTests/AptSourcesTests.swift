import Glibc
import Linux
import Testing

@testable import DebianPackages

@Suite struct AptSourcesTests {
    @Test func linesOfTheOldFormatAreRead() {
        let archives = AptSources.parseList(
            """
            # deb http://comment.example/debian bookworm main
            deb http://mirror.example/debian bookworm main contrib # a remark
            deb-src http://mirror.example/debian bookworm main
              deb\t[ arch=amd64 signed-by=/a.gpg,/b.gpg trusted=yes ]  https://other.example/debian bookworm-updates main
            deb [check-valid-until=no] file:/srv/debian bookworm-security main
            deb cdrom:[Debian GNU/Linux 12]/ bookworm main
            deb
            deb http://mirror.example/debian

            """)
        #expect(
            archives == [
                .init(uri: "http://mirror.example/debian", suites: ["bookworm"], components: ["main", "contrib"], options: []),
                .init(
                    uri: "https://other.example/debian", suites: ["bookworm-updates"], components: ["main"],
                    options: ["Signed-By: /a.gpg /b.gpg", "Trusted: yes"]),
                .init(
                    uri: "file:/srv/debian", suites: ["bookworm-security"], components: ["main"],
                    options: ["Check-Valid-Until: no"]),
            ])
    }

    @Test func stanzasOfTheNewFormatAreRead() {
        let archives = AptSources.parseStanzas(
            """
            # The main archive
            Types: deb deb-src
            URIs: http://a.example/debian http://b.example/debian
            Suites: bookworm
             bookworm-updates
            # in between
            Components: main
            Signed-By: /usr/share/keyrings/a.gpg
            \u{20}\t
            types: deb
            uris: http://c.example/debian
            suites: bookworm-security
            components: main

            """)
        #expect(
            archives == ["a", "b"].map {
                .init(
                    uri: "http://\($0).example/debian", suites: ["bookworm", "bookworm-updates"], components: ["main"],
                    options: ["Signed-By: /usr/share/keyrings/a.gpg"])
            } + [
                .init(uri: "http://c.example/debian", suites: ["bookworm-security"], components: ["main"], options: [])
            ])
    }

    @Test func aKeyOfManyLinesIsKeptAsItIs() {
        let key = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBGO\n -----END PGP PUBLIC KEY BLOCK-----"
        let archives = AptSources.parseStanzas("Types: deb\nURIs: http://a/\nSuites: bookworm\n\(key)\nComponents: main\n")
        #expect(archives.map(\.options) == [[key]])
        let text = AptSources(suite: "bookworm", archives: archives).text
        #expect(AptSources.parseStanzas(text) == archives)
    }

    @Test(arguments: ["no", "No", "false", "off", "0", "disable", "without"]) func aDisabledStanzaIsPassedOver(_ word: String) {
        #expect(AptSources.parseStanzas("Types: deb\nURIs: http://a/\nSuites: s\nComponents: main\nEnabled: \(word)\n") == [])
    }

    @Test(arguments: ["yes", "true", ""]) func anEnabledStanzaIsTaken(_ word: String) {
        #expect(AptSources.parseStanzas("Enabled: \(word)\nTypes: deb\nURIs: http://a/\nSuites: s\nComponents: main").count == 1)
    }

    @Test(arguments: ["", "\n\n\n", "Types: deb", "Types: deb-src\nURIs: http://a/\nSuites: s\n", ": x\n continued\n", " lost"])
    func whatIsNoSourceIsPassedOver(_ text: String) {
        #expect(AptSources.parseStanzas(text) == [])
        #expect(AptSources.parseList(text) == [])
    }

    @Test func onlyArchivesOfTheReleaseAreTakenFromTheHost() throws {
        try withHost([
            "sources.list": "deb http://a/debian bookworm main non-free\ndeb http://a/debian trixie main\n",
            "sources.list.d/z.sources": "Types: deb\nURIs: http://b/\nSuites: bookworm-security sid\nComponents: main\n",
            "sources.list.d/ignored.save": "deb http://c/debian bookworm main\n",
            "sources.list.d/tool.list": "deb http://d/tool stable main\n",
        ]) { root in
            let sources = try AptSources.host(suite: "bookworm", components: ["main"], root: root)
            #expect(
                sources.archives == [
                    .init(uri: "http://a/debian", suites: ["bookworm"], components: ["main"], options: []),
                    .init(uri: "http://b/", suites: ["bookworm-security"], components: ["main"], options: []),
                ])
        }
    }

    @Test func aHostWithoutTheReleaseIsToldWhatToDo() throws {
        try withHost(["sources.list": "deb http://a/debian trixie main\n"]) { root in
            let error = #expect(throws: PackageError.self) {
                try AptSources.host(suite: "bookworm", components: ["main", "contrib"], root: root)
            }
            #expect(
                error?.description
                    == "this host's apt configuration (\(root)/etc/apt) has no archive with bookworm main contrib; add one to \(root)/etc/apt/sources.list.d and try again"
            )
        }
    }

    private func withHost(_ files: [String: String], _ body: (String) throws -> Void) throws {
        let root = "/tmp/dish-unit-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { try? Files.removeTree(root) }
        for (name, text) in files {
            try Files.makeDirectories(Files.parent(of: "\(root)/etc/apt/\(name)"))
            try Files.replace("\(root)/etc/apt/\(name)", with: text.utf8, durable: false)
        }
        try body(root)
    }
}
