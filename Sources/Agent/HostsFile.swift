import Glibc
import Linux
import Networks
import Spec

/// The `/etc/hosts` that tasks share (docs/jobs.md, "Names").
struct HostsFile: Sendable {
    let path: String
    let network: TaskNetwork

    /// Makes it if it isn't there. One that is there may be mounted in tasks, and stays the same file.
    func ensure() throws {
        if !Files.exists(path) { try write([]) }
    }

    /// Writes names and addresses in place: a mounted file can't be replaced.
    func write(_ entries: [(name: String, address: IPv4Address)]) throws {
        let lines = entries.sorted { ($0.name, $0.address) < ($1.name, $1.address) }.map { entry in
            "\(entry.address) \(entry.name)\n" + (network.ipv6(of: entry.address).map { "\($0) \(entry.name)\n" } ?? "")
        }
        let bytes = Array((Self.head + lines.joined()).utf8)
        let file = try OwnedFD.open(path, O_WRONLY | O_CREAT, mode: 0o644)
        let number = file.number
        // In one call, so that hardly a reader sees half of it; what is left of a longer text goes after.
        let written = try retryingInterrupts("write", path) { pwrite(number, bytes, bytes.count, 0) }
        guard written == bytes.count else { throw SystemError("write", path, code: ENOSPC) }
        try retryingInterrupts("write", path) { ftruncate(number, off_t(bytes.count)) }
    }

    private static let head = """
        127.0.0.1 localhost
        ::1 localhost ip6-localhost ip6-loopback
        # Tasks of this host; written by its agent.

        """

    /// Whether an image has a file of its own: one that knows more than the local host.
    static func isOwn(root: String) -> Bool {
        guard let directory = try? OwnedFD.open(root, O_RDONLY | O_DIRECTORY),
            // What isn't a file, or is larger than any such list, is none of the image's own.
            let bytes = try? directory.readFile(inRoot: "/etc/hosts")
        else { return false }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains { line in
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
            guard let address = words.first else { return false }
            return !address.hasPrefix("127.") && address != "::1" && !address.hasPrefix("ff02::") && !address.hasPrefix("fe00::")
        }
    }
}
