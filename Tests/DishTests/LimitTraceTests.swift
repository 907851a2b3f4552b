import AgentAPI
import ArgumentParser
import Foundation
import Spec
import Testing

@testable import dish

/// The table in docs/architecture.md, "A limit on its way".
@Suite struct LimitTraceTests {
    private struct Hop {
        let file: String
        let function: String
        let form: String
    }

    /// This file is Tests/DishTests/LimitTraceTests.swift.
    private static let repository = URL(filePath: #filePath).appending(path: "../../..").standardizedFileURL

    private static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: repository.appending(path: path)), as: UTF8.self)
    }

    private func hops() throws -> [Hop] {
        let page = try Self.text("docs/architecture.md")
        let start = try #require(page.range(of: "### A limit on its way\n")).upperBound
        let section = page[start...].prefix(upTo: page[start...].range(of: "\n## ")?.lowerBound ?? page.endIndex)
        return section.matches(of: /\| \d+ \| `([^`]+)` \| `([^`]+)` \| (.*) \|/).map {
            Hop(file: String($0.1), function: String($0.2), form: String($0.3))
        }
    }

    @Test func thereAreEightHopsAndTwoEncodings() throws {
        let hops = try hops()
        #expect((1...8).contains(hops.count))
        #expect(hops.filter { $0.form.contains("encoding") }.count == 2)
        #expect(hops.last?.form.contains("`memory.max`") == true)
    }

    @Test func theFilesAndFunctionsThatItNamesAreThere() throws {
        for hop in try hops() {
            let source = try Self.text(hop.file)
            let declaration = try Regex("func \\Q\(hop.function)\\E\\b")
            #expect(source.firstMatch(of: declaration) != nil, "\(hop.file) has no function \(hop.function)")
        }
    }

    @Test func theOptionIsTheNumberThatTheAgentReads() throws {
        var request = TaskRequest(image: "//web:app")
        request.limits = try LimitOptions.parse(["--memory", "50M"]).limits
        #expect(request.limits == Limits(memory: 52_428_800))
        let body = try JSONEncoder().encode(request)
        #expect(String(decoding: body, as: UTF8.self).contains(#""memory":52428800"#))
        #expect(try JSONDecoder().decode(TaskRequest.self, from: body).limits == request.limits)
    }
}
