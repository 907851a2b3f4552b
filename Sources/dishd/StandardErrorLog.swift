import Glibc
import Linux
import Logging

/// Lines of `LEVEL message key=value …` on standard error; systemd adds the time.
struct StandardErrorLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let pairs = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let line = Self.oneLine("\(event.level) \(event.message)\(pairs)")
        try? Files.write("\(line)\n".utf8, to: STDERR_FILENO, "standard error")
    }

    /// Names that people have chosen may have line ends in them, and make no entry of their own.
    private static func oneLine(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0 == "\n" ? " " : $0.value < 32 || (127..<160).contains($0.value) ? "?" : $0 }))
    }
}
