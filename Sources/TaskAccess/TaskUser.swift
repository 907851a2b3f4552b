public import Glibc
public import Linux

/// The identity of a command inside a task: what the task's own passwd(5) and group(5) make of `USER[:GROUP]`, names or numbers.
public struct TaskUser: Sendable, Equatable {
    public var user: uid_t
    public var group: gid_t
    /// The supplementary groups.
    public var groups: [gid_t]
    public var name: String
    public var home: String
    public var shell: String

    /// User 0, whatever the task's files say.
    public static let root = TaskUser(user: 0, group: 0, groups: [], name: "root", home: "/root", shell: "/bin/sh")

    private static let fileLimit = 1 << 20
    /// More than any system gives to one user; NGROUPS_MAX is 65536.
    private static let groupLimit = 1024

    private init(user: uid_t, group: gid_t, groups: [gid_t], name: String, home: String, shell: String) {
        self.user = user
        self.group = group
        self.groups = groups
        self.name = name
        self.home = home
        self.shell = shell
    }

    /// A number that passwd(5) doesn't have is user of group 0. With a group, that is the only one; else those are added that group(5)
    /// names the user in.
    ///
    /// - Parameters:
    ///   - text: `USER[:GROUP]`; a name goes before a number that is written like it.
    ///   - root: of the task.
    ///   - task: for errors: `task 'web'`.
    /// - Throws: `TaskAccessError` for a name that the task doesn't know, `SystemError` for a file that can't be read.
    public init(_ text: String, in root: borrowing OwnedFD, of task: String) throws {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let (wanted, wantedGroup) = (parts[0], parts.count == 2 && !parts[1].isEmpty ? parts[1] : nil)
        let accounts = try Self.lines("/etc/passwd", in: root)
        let account =
            accounts.first { $0.count >= 7 && $0[0] == wanted }
            ?? Self.number(wanted).flatMap { id in accounts.first { $0.count >= 7 && Self.number($0[2]) == id } }
        if let account, let id = Self.number(account[2]), let primary = Self.number(account[3]) {
            self.init(
                user: id, group: primary, groups: [], name: account[0],
                home: account[5].hasPrefix("/") ? account[5] : "/", shell: account[6].isEmpty ? "/bin/sh" : account[6])
        } else if let id = Self.number(wanted) {
            self.init(user: id, group: 0, groups: [], name: wanted, home: id == 0 ? "/root" : "/", shell: "/bin/sh")
        } else if wanted == "root" || wanted.isEmpty {
            self = .root
        } else {
            throw TaskAccessError(
                .noUser, "there is no user '\(wanted)' in \(task); its users are in its /etc/passwd, and a number does too")
        }
        let all = try Self.lines("/etc/group", in: root)
        if let wantedGroup {
            guard
                let id = all.first(where: { $0.count >= 3 && $0[0] == wantedGroup }).flatMap({ Self.number($0[2]) })
                    ?? Self.number(wantedGroup)
            else {
                throw TaskAccessError(
                    .noUser,
                    "there is no group '\(wantedGroup)' in \(task); its groups are in its /etc/group, and a number does too")
            }
            (group, groups) = (id, [id])
        } else {
            let name = name
            let others = all.lazy.filter { $0.count >= 4 && $0[3].split(separator: ",").contains { $0 == name } }
                .compactMap { Self.number($0[2]) }.prefix(Self.groupLimit)
            groups = Set(others).union([group]).sorted()
        }
    }

    /// - Returns: nil for what is no id, and for the one that stands for none (setresuid(2)).
    private static func number(_ text: String) -> UInt32? { UInt32(text).flatMap { $0 == .max ? nil : $0 } }

    /// The lines of a file, split at colons; none for one that isn't there. Links are followed inside the task only.
    private static func lines(_ path: String, in root: borrowing OwnedFD) throws -> [[String]] {
        let content = try root.readFileIfPresent(inRoot: path, limit: fileLimit) ?? []
        return String(decoding: content, as: UTF8.self).split(separator: "\n").map {
            $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
    }
}
