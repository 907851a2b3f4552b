import ArgumentParser
import Glibc
import Layers
import Linux
import SendStream

struct StreamDump: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump", abstract: "Show the commands of the streams in a file, whoever wrote them.",
        discussion: """
            Every checksum is checked. A damaged stream is shown up to where it is damaged.

            Examples:
              dish stream dump web.stream
              btrfs send /pool/snapshot | dish stream dump - --json
            """)

    @Argument(help: "The file; '-' for standard input.", completion: .file())
    var file: String
    @Flag(help: "Only check the streams, in memory, and say how many commands and bytes a second that makes.")
    var rate = false
    @OptionGroup var json: JSONOption

    func run() throws {
        let input = try openInput(file)
        if rate { return try check(Files.read(input, file)) }
        var reader = StreamReader(FileSource(input.number, file == "-" ? "standard input" : file))
        var lines = DumpedLines()
        if json.json { try lines.add("[") }
        var isFirst = true
        // What was read before a fault is shown.
        defer { try? lines.flush() }
        while true {
            let offset = reader.offset
            let line: String? = try reader.next { command, data in
                let dumped = DumpedCommand(command, offset: offset, data: data.byteCount)
                return try json.json ? dumped.json() : dumped.text
            }
            guard let line else { break }
            try lines.add(json.json && !isFirst ? "," + line : line)
            isFirst = false
        }
        if json.json { try lines.add("]") }
    }

    private func check(_ bytes: [UInt8]) throws {
        var commands = 0
        let start = ContinuousClock.now
        try SendStream.forEachCommand(in: bytes.span.bytes) { _, _, _ in commands += 1 }
        let time = (ContinuousClock.now - start).components
        let microseconds = max(1, time.seconds * 1_000_000 + time.attoseconds / 1_000_000_000_000)
        print(
            "\(commands) commands, \(bytes.count) bytes, \(microseconds) us, \(Int64(bytes.count) / microseconds) MB/s",
            to: .output)
    }
}

/// Lines for standard output, many at a time.
private struct DumpedLines {
    private var waiting: [UInt8] = []

    mutating func add(_ line: String) throws {
        waiting += line.utf8
        waiting.append(UInt8(ascii: "\n"))
        if waiting.count > 64 << 10 { try flush() }
    }

    mutating func flush() throws {
        try Files.write(waiting, to: STDOUT_FILENO, "standard output")
        waiting.removeAll(keepingCapacity: true)
    }
}

/// A file for reading; `-` is standard input.
func openInput(_ file: String) throws -> OwnedFD {
    file == "-"
        ? OwnedFD(adopting: try retryingInterrupts("open", "standard input") { dup(STDIN_FILENO) })
        : try OwnedFD.open(file, O_RDONLY)
}
