/// Something wrong in a file that people write, and where.
public struct ManifestError: Error, CustomStringConvertible, Equatable {
    /// Where in a file; lines and columns count from 1.
    public struct Place: Sendable, Hashable, Comparable, CustomStringConvertible {
        public let file: String
        public let line: Int
        public let column: Int

        public init(file: String, line: Int, column: Int) {
            self.file = file
            self.line = line
            self.column = column
        }

        public var description: String { "\(file):\(line):\(column)" }

        public static func < (left: Self, right: Self) -> Bool {
            (left.file, left.line, left.column) < (right.file, right.line, right.column)
        }
    }

    public let place: Place
    public let message: String

    public init(_ place: Place, _ message: String) {
        self.place = place
        self.message = message
    }

    public var description: String { "\(place): \(message)" }
}
