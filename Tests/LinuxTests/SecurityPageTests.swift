import Glibc
import Linux
import Testing

/// The page that says what holds each way in names the test that attacks it.
struct SecurityPageTests {
    /// This file is Tests/LinuxTests/SecurityPageTests.swift.
    private static let repository = Files.parent(of: Files.parent(of: Files.parent(of: #filePath)))

    private static func swiftFiles(_ directory: String) throws -> [String] {
        try Files.list(directory).flatMap { name in
            let path = "\(directory)/\(name)"
            if Files.isDirectory(path, followsLink: false) { return try swiftFiles(path) }
            return name.hasSuffix(".swift") ? [path] : []
        }
    }

    @Test func everyTestThatItNamesIsThere() throws {
        let page = try Files.readText("\(Self.repository)/docs/security.md")
        let named = Set(page.matches(of: /`([A-Za-z]+Tests)\.([a-z][A-Za-z0-9]+)`/).map { "\($0.1).\($0.2)" })
        var found: Set<String> = []
        for file in try Self.swiftFiles("\(Self.repository)/Tests") {
            let text = try Files.readText(file)
            let suites = text.matches(of: /(?:struct|enum|class) ([A-Za-z]+Tests)\b|extension (?:[A-Za-z]+\.)*([A-Za-z]+Tests)\b/)
                .compactMap { $0.1 ?? $0.2 }
            let tests = text.matches(of: /func ([a-z][A-Za-z0-9]+)\(/).map(\.1)
            for suite in suites { for test in tests { found.insert("\(suite).\(test)") } }
        }
        #expect(named.count >= 20, "\(named.count)")
        #expect(named.subtracting(found).sorted() == [])
    }
}
