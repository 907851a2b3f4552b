import Foundation
import Spec
import Testing

@Suite struct JSONTextTests {
    private func random(_ depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth > 3 ? 5 : 7)) {
        case 0: .null
        case 1: .boolean(.random())
        case 2: .integer(.random(in: .min ... .max))
        case 3: .number(Double(Int.random(in: -1000...1000)) + 0.5)
        case 4: .text(text())
        case 5: .list((0..<3).map { _ in random(depth + 1) })
        default: .object(["a" + text(): random(depth + 1), "b" + text(): random(depth + 1)])
        }
    }

    private func text() -> String {
        let pieces = ["a", "\"", "\\", "\n", "\u{0}", "\u{1f}", "\u{7f}", "é", "\u{338}", "👩", "/", "\u{2028}"]
        return (0..<Int.random(in: 0...8)).map { _ in pieces.randomElement()! }.joined()
    }

    @Test func whatIsWrittenIsReadAgainHereAndByFoundation() throws {
        for _ in 0..<500 {
            let value = random(0)
            let text = value.text
            #expect(JSONValue(text: text) == value)
            #expect(try JSONDecoder().decode(JSONValue.self, from: Data(text)) == value)
            #expect(JSONValue(text: try Array(JSONEncoder().encode(value))) == value)
        }
    }

    @Test(arguments: [
        (#" { "a" : [ 1 , -0.5e1, 2E2 ] , "b":{} } "#, ["a": [1, -5, 200], "b": [:]] as JSONValue),
        (#""\u0041\ud83d\ude00\/\b\f\n\r\t""#, "A😀/\u{8}\u{c}\n\r\t"), ("9223372036854775807", .integer(.max)), ("-0", 0),
        ("1e400", nil),
    ]) func theFormsOfTheStandardAreRead(text: String, value: JSONValue?) { #expect(JSONValue(text: Array(text.utf8)) == value) }

    @Test(arguments: [
        "", " ", "{", "[1,]", "[1 2]", #"{"a":1,}"#, #"{"a" 1}"#, #"{"a":1,"a":2}"#, "{1:2}", "01", "1.", ".5", "+1", "1e", "tru",
        "nulll", "'a'", #""a"#, "\"a\nb\"", #""\x""#, #""\u12""#, #""\ud800""#, #""\udc00""#, #""\ud800\u0041""#, "1 2", "NaN",
    ]) func whatIsNoJSONIsRefused(_ text: String) { #expect(JSONValue(text: Array(text.utf8)) == nil) }

    @Test func bytesThatAreNoTextAndBottomlessNestingAreRefused() {
        #expect(JSONValue(text: [0x22, 0xff, 0x22]) == nil)
        #expect(JSONValue(text: Array(String(repeating: "[", count: 100_000).utf8)) == nil)
        let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(JSONValue(text: Array(deep.utf8)) != nil)
    }
}
