import Linux

/// The program that attacks from inside a task: `Tests/AttackTests/program`, compiled once for a run of the tests.
public actor AttackProgram {
    public static let shared = AttackProgram()

    private var path: String?

    /// The static program's path.
    public func build() async throws -> String {
        if let path { return path }
        let sources = "\(Programs.repository)/Tests/AttackTests/program"
        let target = try Scratch.make("attack") + "/attack"
        guard let compiler = Executable.find("gcc") else {
            throw FixtureError("gcc is not installed; install it: apt-get install gcc libc6-dev")
        }
        let names = try Files.list(sources).filter { $0.hasSuffix(".c") }.sorted()
        let result = try await Command(
            compiler, ["-static", "-O1", "-Wall", "-Werror", "-o", target] + names.map { "\(sources)/\($0)" }
        ).run()
        guard result.status.isSuccess else { throw FixtureError("compile the attacks: \(result.errorText)") }
        path = target
        return target
    }
}

/// What the program printed.
public struct AttackReport: Sendable {
    public struct Line: Sendable, CustomStringConvertible {
        /// `KIND/NAME`.
        public let name: String
        public let verdict: String
        public let reason: String

        public var description: String { "\(name): \(reason)" }
    }

    public let lines: [Line]
    /// Whether it came to its end.
    public let isComplete: Bool

    public init(_ text: String) {
        // A terminal ends lines with a carriage return too, which to Swift is one character with the line feed.
        // Keys that were pushed into it are echoed before a line.
        let words = text.utf8.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }.map {
            String(Substring($0.drop { $0 == UInt8(ascii: "#") })).split(separator: " ", maxSplits: 2).map(String.init)
        }
        lines = words.filter {
            $0.count >= 2 && $0[0].contains("/") && ["refused", "contained", "succeeded", "skipped", "broken"].contains($0[1])
        }.map { Line(name: $0[0], verdict: $0[1], reason: $0.count > 2 ? $0[2] : "") }
        isComplete = words.contains { $0.first == "total" }
    }

    public func lines(_ verdict: String) -> [Line] { lines.filter { $0.verdict == verdict } }

    /// What reached the host.
    public var succeeded: [Line] { lines("succeeded") }

    /// What didn't do what it is for, and so proves nothing.
    public var broken: [Line] { lines("broken") }

    /// How many were tried.
    public var tried: Int { lines.count - lines("skipped").count - broken.count }

    /// Names of those that weren't tried, and that a test doesn't know of.
    ///
    /// A process of the task may happen to have the number of the one outside that is attacked; other contexts try that then.
    public func skipped(but known: Set<String>) -> [Line] {
        lines("skipped").filter { !known.contains($0.name) && !$0.reason.hasPrefix("the task has a process ") }
    }

    public var summary: String {
        "\(tried) attacks: \(lines("refused").count) refused, \(lines("contained").count) contained, \(succeeded.count) succeeded; "
            + "\(lines("skipped").map(\.name).sorted().joined(separator: ", ")) skipped"
    }
}
