import CLinux
import FoundationEssentials
import Glibc
import Linux

/// Chromium without a window (browser.py). Its steps come one after another.
public actor Browser {
    private struct Step: Encodable {
        var open: String?
        var width: Int?
        var height: Int?
        var dark: Bool?
        var evaluate: String?
        var wait: String?
        var keys: [String]?
        var troubles: Bool?
    }

    private struct Answer<Value: Decodable>: Decodable {
        var value: Value?
        var error: String?
    }

    private let pid: pid_t
    private let input: CInt
    private let output: CInt
    private var rest: [UInt8] = []

    public init() throws {
        let (toIt, fromIt) = (try Self.pipe(), try Self.pipe())
        defer {
            Glibc.close(toIt.reading)
            Glibc.close(fromIt.writing)
        }
        // Debian's own, which has Debian's packages.
        var spawn = Spawn("/usr/bin/python3", ["\(Programs.repository)/Tests/Fixtures/browser.py"])
        spawn.environment["HOME"] = Scratch.directory
        spawn.environment["TMPDIR"] = Scratch.directory
        spawn.descriptors = [toIt.reading, fromIt.writing, STDERR_FILENO]
        pid = try spawn.start()
        (input, output) = (toIt.writing, fromIt.reading)
    }

    private static func pipe() throws -> (reading: CInt, writing: CInt) {
        var ends: [CInt] = [-1, -1]
        try retryingInterrupts("create pipe") { dish_pipe(&ends) }
        return (ends[0], ends[1])
    }

    /// The end of its input ends it, and Chromium with it.
    public func close() {
        Glibc.close(input)
        Glibc.close(output)
        waitpid(pid, nil, 0)
    }

    public func open(_ url: String, width: Int = 1280, dark: Bool = false) throws {
        let _: Bool = try perform(Step(open: url, width: width, height: 900, dark: dark))
    }

    /// The value of an expression, or of the promise that it is.
    public func evaluate<Value: Decodable & Sendable>(_ expression: String, as type: Value.Type = Value.self) throws -> Value {
        try perform(Step(evaluate: expression))
    }

    /// Waits until an expression is true, for 20 seconds at most. What the page shows instead is printed.
    public func wait(_ expression: String) throws -> Bool {
        if try perform(Step(wait: "!!(\(expression))")) { return true }
        print("not so after 20 s: \(expression); shown:", try evaluate("document.body.innerText.slice(0, 1500)", as: String.self))
        print("complaints:", try troubles())
        return false
    }

    public func press(_ keys: String...) throws {
        let _: Bool = try perform(Step(keys: keys))
    }

    /// What the console, the page and the network have complained of, and requests to elsewhere.
    public func troubles() throws -> [String] { try perform(Step(troubles: true)) }

    private func perform<Value: Decodable>(_ step: Step) throws -> Value {
        try Files.write(Array(try JSONEncoder().encode(step)) + [UInt8(ascii: "\n")], to: input, "the browser")
        let answer = try JSONDecoder().decode(Answer<Value>.self, from: Data(line()))
        guard let value = answer.value else { throw FixtureError("the browser: \(answer.error ?? "no value") at \(step)") }
        return value
    }

    private func line() throws -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                defer { rest.removeFirst(end + 1) }
                return Array(rest[..<end])
            }
            let count = read(output, &chunk, chunk.count)
            guard count > 0 else { throw FixtureError("the browser has ended; are chromium and python3-websocket installed?") }
            rest += chunk[..<count]
        }
    }
}
