import Glibc
import Linux

/// What an image's own files say is in it.
struct ImageContents {
    /// Versions of installed packages, by name (dpkg's status file).
    let packages: [String: String]
    /// Lines of passwd(5) and group(5) without the name, by name.
    let users: [String: String]
    let groups: [String: String]

    init(root path: String) throws {
        let root = try OwnedFD.open(path, O_RDONLY | O_DIRECTORY)
        packages = Self.packages(try Self.read("var/lib/dpkg/status", in: root))
        users = Self.accounts(try Self.read("etc/passwd", in: root))
        groups = Self.accounts(try Self.read("etc/group", in: root))
    }

    /// Bytes: dpkg's status of a whole Debian has some ten million.
    private static let limit = 64 << 20

    private static func read(_ path: String, in root: borrowing OwnedFD) throws -> String {
        String(decoding: try root.readFileIfPresent(inRoot: path, limit: limit) ?? [], as: UTF8.self)
    }

    private static func packages(_ status: String) -> [String: String] {
        var found: [String: String] = [:]
        var (name, isInstalled) = ("", false)
        for line in status.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("Package: ") {
                (name, isInstalled) = (String(line.dropFirst(9)), false)
            } else if line.hasPrefix("Status: ") {
                isInstalled = line.hasSuffix(" installed")
            } else if line.hasPrefix("Version: "), isInstalled {
                found[name] = String(line.dropFirst(9))
            }
        }
        return found
    }

    private static func accounts(_ text: String) -> [String: String] {
        var found: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            found[String(line[..<colon])] = String(line[line.index(after: colon)...])
        }
        return found
    }
}
