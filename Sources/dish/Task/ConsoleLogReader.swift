import Glibc
import Linux
import TaskHelper

/// How entries of a console log are printed.
struct ConsoleLogStyle {
    let timestamps: Bool
    /// Whether a terminal gets what the task wrote as it is; what is no terminal always does.
    let raw: Bool
}

extension ConsoleLogEntry {
    func print(_ style: ConsoleLogStyle) throws {
        let target = isErrors ? STDERR_FILENO : STDOUT_FILENO
        let line = (style.timestamps ? Array("\(time) ".utf8) : []) + text + (isPartial ? [] : [UInt8(ascii: "\n")])
        try Files.write(style.raw || isatty(target) == 0 ? line : printable(line), to: target, "output")
    }
}

/// Reads a console log as it grows, over the places where it is turned over.
struct ConsoleLogReader {
    private let path: String
    private var file: CInt = -1
    private var inode: ino_t = 0
    private var rest: [UInt8] = []
    /// Older files that come before the present one.
    private var older: [String]

    init(_ path: String) {
        self.path = path
        older = (1...9).reversed().map { "\(path).\($0)" }.filter { Files.exists($0) }
    }

    /// The entries that have come since the last call; none at the end.
    mutating func read() throws -> [ConsoleLogEntry] {
        while true {
            if file < 0, try !openNext() { return [] }
            var bytes = [UInt8](repeating: 0, count: 256 * 1024)
            let count = Glibc.read(file, &bytes, bytes.count)
            guard count >= 0 else { throw SystemError("read", path) }
            if count == 0 {
                var status = stat()
                let isCurrent = stat(path, &status) == 0 && status.st_ino == inode
                if isCurrent || (older.isEmpty && !Files.exists(path)) { return [] }
                close(file)
                file = -1
                continue
            }
            rest += bytes[..<count]
            guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { continue }
            // By bytes: to String, a carriage return and a line feed are one character.
            let entries = rest[..<end].split(separator: UInt8(ascii: "\n")).compactMap { ConsoleLogEntry($0) }
            rest.removeFirst(end + 1)
            return entries
        }
    }

    /// - Returns: whether there is one.
    private mutating func openNext() throws -> Bool {
        let next = older.isEmpty ? path : older.removeFirst()
        file = open(next, O_RDONLY | O_CLOEXEC)
        guard file >= 0 || errno == ENOENT else { throw SystemError("read", next) }
        var status = stat()
        if file >= 0, fstat(file, &status) == 0 { inode = status.st_ino }
        return file >= 0
    }
}
