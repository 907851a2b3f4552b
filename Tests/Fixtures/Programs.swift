import Glibc
import Linux

/// The programs under test.
public enum Programs {
    /// Where they are: `$DISH_PROGRAMS`, or beside the tests.
    public static let directory: String = {
        if let given = getenv("DISH_PROGRAMS").map({ String(cString: $0) }) { return Files.absolute(given) }
        return "\(repository)/.build/debug"
    }()

    /// The checkout.
    public static let repository: String = {
        // This file is Tests/Fixtures/Programs.swift.
        Files.parent(of: Files.parent(of: Files.parent(of: #filePath)))
    }()

    /// The images that the README shows.
    public static let exampleWorkspace = "\(repository)/examples/web"

    public static func path(_ name: String) -> String { "\(directory)/\(name)" }
}

/// What a program left.
public struct Outcome: Sendable, CustomStringConvertible {
    public let code: CInt
    public let output: String
    public let errors: String

    init(_ result: Command.Result) {
        code = result.status.shellCode
        output = result.text
        errors = result.errorText
    }

    public init(code: CInt, output: String, errors: String) {
        self.code = code
        self.output = output
        self.errors = errors
    }

    /// The output without white space at its ends.
    public var text: String {
        String(output.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }

    public var description: String { "exit code \(code)\n--- output\n\(output)--- errors\n\(errors)" }
}
