import Manifest
import Testing

/// What tests may expect of a text.
struct TextExpectationTests {
    private func faults(_ expectation: String, of text: String) throws -> [String] {
        let file = try ImageFile(
            "images: [{name: a, base: scratch, tests: [{name: t, files: [{path: /a, content: {\(expectation)}}]}]}]",
            file: "f", folder: "")
        let target = try TargetReader { _, _, _ in file.definitions[0] }.image(file.definitions[0].label)
        return try #require(target.tests.first?.files.first?.value.content).faults(of: text)
    }

    @Test func aTextEqualsAnotherToTheEndOfItsLastLine() throws {
        #expect(try faults(#"equals: "a\n""#, of: "a\n") == [])
        #expect(try faults("equals: a", of: "a\n") == ["must equal 'a'"])
        #expect(try faults(#"equals: """#, of: "") == [])
    }

    @Test func everythingThatIsNotAsExpectedIsNamed() throws {
        let found = try faults(#"contains: [a, "b\n", c], lacks: [d, e], matches: ["^a$", f]"#, of: "a\nd\n")
        #expect(found == [#"must contain 'b\n'"#, "must contain 'c'", "must not contain 'd'", "must match 'f'"])
    }

    @Test func regularExpressionsSeeLines() throws {
        #expect(try faults(#"matches: ["^b$", "a.b", "(?s)a.b", "\\d+"]"#, of: "a\nb\n12") == ["must match 'a.b'"])
    }

    @Test(arguments: ["(?R)", #"(a)\1"#, #"\p{L}+"#, "a++", "(?i)A", "(?<n>a)", "[[:alpha:]]", "(?<=x)a", "a{2}"])
    func aPatternThatIsTakenCanBeUsed(_ pattern: String) throws {
        // Whether it matches is another matter; nothing may go wrong.
        do {
            _ = try faults("matches: ['\(pattern)']", of: "aa")
        } catch {
            #expect("\(error)".contains("is not a regular expression"))
        }
    }
}
