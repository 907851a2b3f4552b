/// What a task has written to its console: `GET /v1/tasks/NAME/console?after=CURSOR&lines=N`.
public struct ConsoleLines: Sendable, Codable, Equatable {
    public struct Entry: Sendable, Codable, Equatable {
        /// RFC 3339.
        public var time: String
        /// Whether it came from standard error.
        public var errors: Bool
        /// Whether the line goes on in the next entry.
        public var partial: Bool
        /// As the task wrote it; what isn't UTF-8 is replaced.
        public var text: String

        public init(time: String, errors: Bool, partial: Bool, text: String) {
            self.time = time
            self.errors = errors
            self.partial = partial
            self.text = text
        }
    }

    /// Asked with it, the next answer has what came since.
    public var cursor: String
    public var entries: [Entry]

    public init(cursor: String, entries: [Entry]) {
        self.cursor = cursor
        self.entries = entries
    }
}
