import Manifest

/// Results as JUnit XML, in the form that Jenkins' schema (junit-10.xsd) describes and others read: a suite for each image.
public enum JUnitReport {
    /// The document's text.
    public static func text(_ results: [TestResult]) -> String {
        var images: [String] = []
        for result in results where !images.contains(result.test.label.description) {
            images.append(result.test.label.description)
        }
        var lines = [#"<?xml version="1.0" encoding="UTF-8"?>"#]
        lines.append("<testsuites\(attributes([("name", "dish image test")] + counts(results)))>")
        for image in images {
            let suite = results.filter { $0.test.label.description == image }
            lines.append("  <testsuite\(attributes([("name", image)] + counts(suite)))>")
            for result in suite { lines += testcase(result, image) }
            lines.append("  </testsuite>")
        }
        return (lines + ["</testsuites>", ""]).joined(separator: "\n")
    }

    private static func testcase(_ result: TestResult, _ image: String) -> [String] {
        let start =
            "    <testcase\(attributes([("name", result.test.test.name.value), ("classname", image), ("time", time(result.seconds))]))"
        guard !result.failures.isEmpty || !result.output.isEmpty else { return [start + "/>"] }
        var lines = [start + ">"]
        for failure in result.failures {
            let first = failure.description.split(separator: "\n").first.map(String.init) ?? ""
            let shown = attributes([("message", first), ("type", "expectation")])
            lines.append("      <failure\(shown)>\(escaped(failure.description, isAttribute: false))</failure>")
        }
        if !result.output.isEmpty {
            lines.append("      <system-out>\(escaped(result.output, isAttribute: false))</system-out>")
        }
        return lines + ["    </testcase>"]
    }

    private static func counts(_ results: [TestResult]) -> [(String, String)] {
        [
            ("tests", "\(results.count)"), ("failures", "\(results.count { !$0.hasPassed })"), ("errors", "0"),
            ("time", time(results.reduce(0) { $0 + $1.seconds })),
        ]
    }

    /// Seconds with three decimals.
    private static func time(_ seconds: Double) -> String {
        let milliseconds = Int((seconds * 1000).rounded())
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }

    private static func attributes(_ pairs: [(String, String)]) -> String {
        pairs.map { " \($0.0)=\"\(escaped($0.1, isAttribute: true))\"" }.joined()
    }

    /// XML 1.0 has no way to write most control characters: they are shown as `#x1B`.
    private static func escaped(_ text: String, isAttribute: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x26: escaped += "&amp;"
            case 0x3C: escaped += "&lt;"
            case 0x3E: escaped += "&gt;"
            case 0x22 where isAttribute: escaped += "&quot;"
            case 0x09 where isAttribute, 0x0A where isAttribute, 0x0D: escaped += "&#\(scalar.value);"
            case 0x09, 0x0A, 0x20..<0x7F, 0xA0..<0xFFFE, 0x10000...0x10FFFF: escaped.unicodeScalars.append(scalar)
            default: escaped += "#x\(String(scalar.value, radix: 16, uppercase: true))"
            }
        }
        return escaped
    }
}
