/// A form that a text must have.
public struct TextForm: Sendable {
    /// Name for references: "an absolute path".
    public let name: String
    /// The form as a regular expression of JSON Schema (ECMA 262), for editors; the check may be stricter.
    public let pattern: String?
    /// All there are, when they are few.
    public let words: [String]
    private let check: @Sendable (_ text: String, _ what: String) -> String?

    /// - Parameter fault: what is wrong with a text, a whole sentence that may begin with what the text is called; nil when nothing is.
    public init(
        _ name: String, pattern: String? = nil, words: [String] = [],
        fault: @escaping @Sendable (_ text: String, _ what: String) -> String? = { _, _ in nil }
    ) {
        self.name = name
        self.pattern = pattern
        self.words = words
        check = fault
    }

    /// Any text.
    public static let any = TextForm("a text")

    /// The fault of a text, with the text's name; nil for none.
    public func fault(_ text: String, _ what: String) -> String? { check(text, what) }

    /// The fault of a text, to be read after its name; nil for none.
    func fault(_ text: String) -> String? {
        guard let fault = check(text, "") else { return nil }
        return String(fault.drop { $0 == " " })
    }

    public static func isLower(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
    public static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    public static func isLetter(_ byte: UInt8) -> Bool { isLower(byte | 0x20) }
}
