import Glibc
import Linux

/// A task's console log, in the CRI log format of Kubernetes: `TIME STREAM P|F LINE`, where `P` says that the line goes
/// on in the next entry of its stream.
///
/// It is turned over by size: `console.log`, `console.log.1`, … A log that can't be written to (a full quota, a
/// read-only pool) loses entries, never stops the task, and says how many it lost when it works again.
public struct ConsoleLog {
    private let path: String
    private let size: Int
    private let files: Int
    private var file: CInt = -1
    private var written = 0
    private var lost = 0
    private var partial: (output: [UInt8], errors: [UInt8]) = ([], [])
    /// Longer lines are split.
    private static let longest = 16 * 1024

    /// - Parameters:
    ///   - size: bytes at which it is turned over.
    ///   - files: how many old ones are kept.
    public init(path: String, size: Int, files: Int) {
        self.path = path
        self.size = size
        self.files = files
        open()
    }

    /// Takes output as it comes; an entry is written for each whole line.
    public mutating func write(_ bytes: [UInt8], _ isErrors: Bool) {
        var rest = bytes[...]
        var start = isErrors ? partial.errors : partial.output
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            var line = start + rest[..<end]
            // A terminal's line ends with both.
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            split(&line, isErrors)
            append(line, isErrors, complete: true)
            start = []
            rest = rest[(end + 1)...]
        }
        start += rest
        split(&start, isErrors)
        if isErrors { partial.errors = start } else { partial.output = start }
    }

    private mutating func split(_ line: inout [UInt8], _ isErrors: Bool) {
        while line.count > Self.longest {
            append(Array(line.prefix(Self.longest)), isErrors, complete: false)
            line.removeFirst(Self.longest)
        }
    }

    /// Writes what has no end of line yet.
    public mutating func close() {
        if !partial.output.isEmpty { append(partial.output, false, complete: true) }
        if !partial.errors.isEmpty { append(partial.errors, true, complete: true) }
        if file >= 0 { Glibc.close(file) }
        file = -1
    }

    private mutating func append(_ line: [UInt8], _ isErrors: Bool, complete: Bool) {
        if written > size { turnOver() }
        if file < 0 { open() }
        var entry: [UInt8] = []
        let stamp = timestamp()
        if lost > 0 { entry += Array("\(stamp) stderr F dish-helper: \(lost) entries could not be written\n".utf8) }
        entry += Array("\(stamp) \(isErrors ? "stderr" : "stdout") \(complete ? "F" : "P") ".utf8) + line + [UInt8(ascii: "\n")]
        do {
            guard file >= 0 else { throw SystemError("open", path) }
            try Files.write(entry, to: file, path)
            written += entry.count
            lost = 0
        } catch {
            lost += 1
            discardTorn()
        }
    }

    /// Takes away the beginning of an entry whose rest found no room: the next one would go on in its line.
    private func discardTorn() {
        var status = stat()
        if file >= 0, fstat(file, &status) == 0, Int(status.st_size) > written { ftruncate(file, off_t(written)) }
    }

    private mutating func open() {
        file = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        var status = stat()
        written = file >= 0 && fstat(file, &status) == 0 ? Int(status.st_size) : 0
    }

    private mutating func turnOver() {
        if file >= 0 { Glibc.close(file) }
        file = -1
        for number in stride(from: files, through: 1, by: -1) {
            rename(number == 1 ? path : "\(path).\(number - 1)", "\(path).\(number)")
        }
        if files == 0 { unlink(path) }
        open()
    }

    /// RFC 3339 with nanoseconds, UTC.
    private func timestamp() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
        }
        let date = "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
        let time = "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
        return "\(date)T\(time).\(padded(now.tv_nsec, 9))Z"
    }
}
