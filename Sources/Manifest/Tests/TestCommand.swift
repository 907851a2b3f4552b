import Spec

/// A command that a test runs in the image, and what it must do.
public struct TestCommand: Sendable, Equatable, Encodable {
    public enum Program: Sendable, Equatable, Encodable {
        /// A program and its arguments.
        case command([String])
        /// For `/bin/sh -e`.
        case script(String)
    }

    public let program: Program
    public let user: String
    /// Seconds.
    public let timeout: Int
    public let exitCode: Int32
    public let stdout: TextExpectation?
    public let stderr: TextExpectation?

    /// The program and its arguments.
    public var arguments: [String] {
        switch program {
        case .command(let command): command
        case .script(let script): ["/bin/sh", "-e", "-c", script]
        }
    }

    static let schema = MappingSchema(
        "a command of a test", title: "tests: commands", oneOf: [["command", "script"]], shorthand: "script",
        [
            KeySchema("command", .list(of: .text(.any)), "A program and its arguments."),
            KeySchema("script", .text(.any), "For `/bin/sh -e`."),
            KeySchema("user", .text(.account), default: "`root`", "The user it runs as."),
            KeySchema("timeout", .text(.duration), default: "`60s`", "How long it may take."),
            KeySchema("exit_code", .integer(0...255), default: "`0`", "How it must end."),
            KeySchema("stdout", .mapping(TextExpectation.schema), default: "anything", "What it must print."),
            KeySchema("stderr", .mapping(TextExpectation.schema), default: "anything", "Which errors it must print."),
        ])

    init(_ mapping: CheckedMapping) throws(ManifestError) {
        if let script = mapping.text("script") {
            program = .script(script)
        } else {
            let command = mapping.texts("command").map(\.value)
            guard !command.isEmpty, !command[0].isEmpty else {
                throw ManifestError(mapping.place(of: "command"), "'command' is empty; name a program")
            }
            program = .command(command)
        }
        user = mapping.text("user") ?? "root"
        timeout = mapping.text("timeout").flatMap { TextForm.seconds($0) } ?? 60
        exitCode = Int32(mapping.number("exit_code") ?? 0)
        stdout = try mapping.mapping("stdout").map { TextExpectation($0) }
        stderr = try mapping.mapping("stderr").map { TextExpectation($0) }
    }
}
