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
        try? Files.write("\(event.level) \(event.message)\(pairs)\n".utf8, to: STDERR_FILENO, "standard error")
    }
}
