import Layers
import Manifest
import Testing

@testable import Builder

@Suite struct JUnitReportTests {
    private func test(_ name: String, of label: String) throws -> TestCase {
        let file = try ImageFile(
            "images: [{name: a, base: scratch, tests: [{name: \(name), files: [/a]}]}]", file: "f", folder: "")
        let target = try TargetReader { _, _, _ in file.definitions[0] }.image(file.definitions[0].label)
        let id = try #require(LayerID(String(repeating: "0", count: 64)))
        let layer = Layer(id: id, parent: nil, label: label, created: 0, entries: 1, size: 0)
        return TestCase(label: try #require(Label(label)), layer: layer, parent: nil, test: target.tests[0])
    }

    @Test func aReportHasASuiteForEachImage() throws {
        let failure = TestFailure(
            .init(file: "f", line: 3, column: 4), expected: "<a> & \"b\"", seen: "it is:\n  | \u{1B}[31m\u{0}\u{9B}x\r\ty\u{FFFF}"
        )
        let text = JUnitReport.text([
            TestResult(try test("one", of: "//a:b"), failures: [], seconds: 1.5, output: ""),
            TestResult(try test("two", of: "//c:d"), failures: [failure], seconds: 0.0304, output: "]]> \u{7}done\n"),
            TestResult(try test("three", of: "//a:b"), failures: [], seconds: 0, output: "äöü 🧈\n"),
        ])
        #expect(
            text == """
                <?xml version="1.0" encoding="UTF-8"?>
                <testsuites name="dish image test" tests="3" failures="1" errors="0" time="1.530">
                  <testsuite name="//a:b" tests="2" failures="0" errors="0" time="1.500">
                    <testcase name="one" classname="//a:b" time="1.500"/>
                    <testcase name="three" classname="//a:b" time="0.000">
                      <system-out>äöü 🧈
                </system-out>
                    </testcase>
                  </testsuite>
                  <testsuite name="//c:d" tests="1" failures="1" errors="0" time="0.030">
                    <testcase name="two" classname="//c:d" time="0.030">
                      <failure message="f:3:4: expected &lt;a&gt; &amp; &quot;b&quot;, but it is:" type="expectation">f:3:4: expected &lt;a&gt; &amp; "b", but it is:
                  | #x1B[31m#x0#x9Bx&#13;\ty#xFFFF</failure>
                      <system-out>]]&gt; #x7done
                </system-out>
                    </testcase>
                  </testsuite>
                </testsuites>

                """)
    }
}
