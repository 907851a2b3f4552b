import AgentAPI
import Glibc
import Linux
import TaskHelper

/// Who a command runs as: what an image's own passwd(5) and group(5) make of `USER[:GROUP]`, names or numbers, as OCI images have
/// it (image-spec, config.md). The image may be anybody's: nothing of it is run.
struct ImageUser: Sendable, Equatable {
    let identity: StartProgram.Identity
    let home: String
    let name: String

    private static let fileLimit = 4 << 20

    /// - Parameter root: of the image.
    /// - Throws: `AgentError` for a name that the image doesn't know.
    init(_ text: String, root: borrowing OwnedFD) throws {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let (user, group) = (parts[0], parts.count == 2 && !parts[1].isEmpty ? parts[1] : nil)
        let accounts = try Self.lines("/etc/passwd", root)
        // A name goes before a number that is written like it.
        let account =
            accounts.first { $0.count >= 4 && $0[0] == user }
            ?? accounts.first { $0.count >= 4 && $0[2] == user && UInt32(user) != nil }
        var groups: [UInt32] = []
        let (uid, gid): (UInt32, UInt32)
        if let account, let id = UInt32(account[2]), let primary = UInt32(account[3]) {
            (uid, gid) = (id, primary)
        } else if let id = UInt32(user) {
            (uid, gid) = (id, 0)
        } else if user == "root" || user.isEmpty {
            (uid, gid) = (0, 0)
        } else {
            throw AgentError(
                .invalid, "the image has no user '\(user)' in its /etc/passwd; choose another, root for instance", field: "user")
        }
        let all = try Self.lines("/etc/group", root)
        if let group {
            guard
                let id = all.first(where: { $0.count >= 3 && $0[0] == group }).flatMap({ UInt32($0[2]) }) ?? UInt32(group)
            else { throw AgentError(.invalid, "the image has no group '\(group)' in its /etc/group") }
            identity = try Self.identity(uid, id, [id])
        } else {
            let name = account?[0] ?? user
            groups = all.filter { $0.count >= 4 && $0[3].split(separator: ",").contains { $0 == name } }
                .compactMap { UInt32($0[2]) }.filter { $0 != gid }
            identity = try Self.identity(uid, gid, [gid] + groups)
        }
        home = account.flatMap { $0.count >= 6 && $0[5].hasPrefix("/") ? $0[5] : nil } ?? (uid == 0 ? "/root" : "/")
        name = account?[0] ?? user
    }

    private static func identity(_ user: UInt32, _ group: UInt32, _ groups: [UInt32]) throws -> StartProgram.Identity {
        // A task has no other ids.
        guard ([user, group] + groups).allSatisfy({ $0 < 65536 }), groups.count <= 1024 else {
            throw AgentError(.invalid, "the ids \(user):\(group) are beyond the 65536 that a task has")
        }
        return StartProgram.Identity(user: user, group: group, groups: groups)
    }

    /// The lines of a file, split at colons; none for one that isn't there. It is followed inside the image only.
    private static func lines(_ path: String, _ root: borrowing OwnedFD) throws -> [[String]] {
        let bytes: [UInt8]
        do {
            bytes = try root.readFile(inRoot: path, limit: fileLimit)
        } catch {
            guard error.code == EINVAL || error.code == EFBIG else { return [] }
            throw AgentError(.invalid, "the image's \(path) is no file, or larger than \(fileLimit >> 20) MiB")
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
            $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
    }

    /// Where a command is that has no slash in its name.
    ///
    /// - Throws: `AgentError` when it is nowhere in `PATH`.
    static func program(_ name: String, path: String?, root: borrowing OwnedFD) throws -> String {
        if name.contains("/") { return name }
        let path = path ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        for directory in path.split(separator: ":") where root.contains("\(directory)/\(name)") { return "\(directory)/\(name)" }
        throw AgentError(.invalid, "there is no '\(name)' in the image, in none of \(path)")
    }
}
