/// What a request prefers (RFC 7240, the header `Prefer`): what isn't known is passed over.
struct AsyncPreference: Sendable, Equatable {
    /// Whether it needn't be answered with what comes of it.
    var isAsync = false
    /// Seconds that whoever asks waits nevertheless.
    var wait: Int?

    /// - Parameter headers: the header's values.
    init(_ headers: [String]) {
        for part in headers.flatMap({ $0.split(separator: ",") }) {
            // What follows a semicolon are a preference's own parameters.
            let text = part.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }.lowercased()
            if text == "respond-async" { isAsync = true }
            if text.hasPrefix("wait="), let seconds = Int(text.dropFirst(5)), seconds >= 0 { wait = min(seconds, 86400) }
        }
    }
}
