import FoundationEssentials
import Glibc
import Layers
import Linux
import Manifest
import Spec

/// Where text goes.
enum Output {
    case output
    case errors
}

/// Writes a line at once, so that what two programs write to one terminal keeps its order. What would move a cursor is shown instead.
func print(_ text: String, to output: Output) { printUnchanged(printable(text), to: output) }

/// Writes a line that is for programs, or moves the cursor itself.
func printUnchanged(_ text: String, to output: Output) {
    try? Files.write((text + "\n").utf8, to: output == .output ? STDOUT_FILENO : STDERR_FILENO, "terminal")
}

/// JSON for programs.
func printJSON(_ value: some Encodable) throws {
    try Files.write(try StateFile.encode(value), to: STDOUT_FILENO, "standard output")
}

/// A table for people: columns as wide as their widest cell, two blanks apart.
func printTable(_ header: [String], _ rows: [[String]]) {
    print(table(header, rows).joined(separator: "\n"), to: .output)
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
