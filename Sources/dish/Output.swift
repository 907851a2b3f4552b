import FoundationEssentials
import Glibc
import Layers
import Linux
import Manifest

/// Where text goes.
enum Output {
    case output
    case errors
}

/// Writes a line at once, so that what two programs write to one terminal keeps its order.
func print(_ text: String, to output: Output) {
    try? Files.write((text + "\n").utf8, to: output == .output ? STDOUT_FILENO : STDERR_FILENO, "terminal")
}

/// Text from elsewhere as one that moves no cursor and turns no direction of writing: what would is shown as `?`, but for line ends and
/// tabs.
func printable(_ text: String) -> String { replacing(in: text) { $0 != "\n" && $0 != "\t" && movesCursor($0) } }

/// The same in one line.
func oneLine(_ text: String) -> String { replacing(in: text, movesCursor) }

private func replacing(in text: String, _ isReplaced: (Unicode.Scalar) -> Bool) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { isReplaced($0) ? "?" : $0 }))
}

/// Control characters, and those that turn the direction of writing.
private func movesCursor(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<32, 127..<160, 0x200E...0x200F, 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
}

/// JSON for programs.
func printJSON(_ value: some Encodable) throws {
    try Files.write(try StateFile.encode(value), to: STDOUT_FILENO, "standard output")
}

/// A table for people: columns as wide as their widest cell, two blanks apart.
func printTable(_ header: [String], _ rows: [[String]]) {
    for line in table(header, rows) { print(line, to: .output) }
}

/// The lines of such a table.
func table(_ header: [String], _ rows: [[String]]) -> [String] {
    let rows = rows.map { $0.map(oneLine) }
    var widths = header.map(\.count)
    for row in rows {
        for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
    }
    return ([header] + rows).map { row in
        let cells = row.enumerated().map { index, cell in
            index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
        }
        return cells.joined(separator: "  ")
    }
}

/// A count of bytes for people; "-" for none.
func shownBytes(_ bytes: UInt64?) -> String { bytes.map { "\(ByteCount(bytes: $0))" } ?? "-" }

/// "3 minutes ago", from seconds since 1970.
func age(_ time: Int64) -> String {
    let seconds = max(0, Int64(Glibc.time(nil)) - time)
    switch seconds {
    case 0..<60: return "\(seconds) seconds ago"
    case 60..<3600: return "\(seconds / 60) minutes ago"
    case 3600..<86400: return "\(seconds / 3600) hours ago"
    default: return "\(seconds / 86400) days ago"
    }
}
