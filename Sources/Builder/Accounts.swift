import Manifest

/// The users and groups of an image: its passwd(5), group(5), shadow(5) and gshadow(5).
///
/// They are edited here rather than by useradd(8), which writes the day's date and needs to be in the image.
struct Accounts {
    static let files = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"]

    private var passwd: [[String]]
    private var group: [[String]]
    private var shadow: [[String]]
    private var gshadow: [[String]]

    /// - Parameter place: of what needs to know them.
    init(_ root: borrowing RootDirectory, for place: ManifestError.Place) throws {
        passwd = try Self.lines(root, "/etc/passwd", fields: 7, place)
        group = try Self.lines(root, "/etc/group", fields: 4, place)
        shadow = try Self.lines(root, "/etc/shadow", fields: 9, place)
        gshadow = try Self.lines(root, "/etc/gshadow", fields: 4, place)
    }

    /// The id of an owner, given as a name or as digits. root is 0 in every image, one without such files too.
    func user(_ name: String, for place: ManifestError.Place) throws -> UInt32 {
        if let number = name == "root" ? 0 : UInt32(name) { return number }
        guard let id = passwd.first(where: { $0[0] == name }).flatMap({ UInt32($0[2]) }) else {
            throw ManifestError(place, "there is no user '\(name)' in the image; add it under 'users'")
        }
        return id
    }

    func group(_ name: String, for place: ManifestError.Place) throws -> UInt32 {
        if let number = name == "root" ? 0 : UInt32(name) { return number }
        guard let id = group.first(where: { $0[0] == name }).flatMap({ UInt32($0[2]) }) else {
            throw ManifestError(place, "there is no group '\(name)' in the image; add it under 'groups'")
        }
        return id
    }

    /// The ids of an owner and a group. Those of root are known without the image's files.
    static func ids(
        _ owner: String, _ group: String, in root: borrowing RootDirectory, for place: ManifestError.Place
    ) throws -> (user: UInt32, group: UInt32) {
        if owner == "root", group == "root" { return (0, 0) }
        let accounts = try Accounts(root, for: place)
        return (try accounts.user(owner, for: place), try accounts.group(group, for: place))
    }

    /// A user's ids and home directory; nil when there is no such user.
    func entry(of name: String) -> (uid: UInt32, gid: UInt32, home: String)? {
        guard let fields = passwd.first(where: { $0[0] == name }) else { return name == "root" ? (0, 0, "/root") : nil }
        guard let uid = UInt32(fields[2]), let gid = UInt32(fields[3]), fields[5].hasPrefix("/") else { return nil }
        return (uid, gid, fields[5])
    }

    mutating func add(_ new: Group, at place: ManifestError.Place) throws {
        if let existing = group.first(where: { $0[0] == new.name }) {
            guard new.gid == nil || String(new.gid!) == existing[2] else {
                throw ManifestError(place, "the group '\(new.name)' exists with gid \(existing[2])")
            }
            return
        }
        if let gid = new.gid, let other = group.first(where: { $0[2] == String(gid) }) {
            throw ManifestError(place, "gid \(gid) belongs to the group '\(other[0])'")
        }
        append(group: new.name, new.gid ?? Self.free(group.map { $0[2] }))
    }

    /// Adds a user that can't log in by password.
    ///
    /// - Returns: its ids, for its home directory.
    mutating func add(_ new: User, at place: ManifestError.Place) throws -> (user: UInt32, group: UInt32) {
        if let existing = passwd.first(where: { $0[0] == new.name }) {
            throw ManifestError(place, "the user '\(new.name)' exists already, with uid \(existing[2])")
        }
        if let uid = new.uid, let other = passwd.first(where: { $0[2] == String(uid) }) {
            throw ManifestError(place, "uid \(uid) belongs to the user '\(other[0])'")
        }
        let taken = passwd.map { $0[2] } + (new.group == nil ? group.map { $0[2] } : [])
        let uid = new.uid ?? Self.free(taken)
        let gid: UInt32
        if let name = new.group {
            gid = try group(name, for: place)
        } else if let existing = group.first(where: { $0[0] == new.name }).flatMap({ UInt32($0[2]) }) {
            gid = existing
        } else {
            gid = group.contains { $0[2] == String(uid) } ? Self.free(group.map { $0[2] }) : uid
            append(group: new.name, gid)
        }
        for name in new.groups {
            guard let index = group.firstIndex(where: { $0[0] == name }) else {
                throw ManifestError(place, "there is no group '\(name)' in the image; add it under 'groups'")
            }
            let members = group[index][3].split(separator: ",").map(String.init)
            group[index][3] = (members + [new.name]).joined(separator: ",")
            if let shadowed = gshadow.firstIndex(where: { $0[0] == name }) { gshadow[shadowed][3] = group[index][3] }
        }
        passwd.append([new.name, "x", String(uid), String(gid), new.comment, new.home, new.shell])
        // "*" matches no password; an empty date of the last change switches ageing off.
        shadow.append([new.name, "*", "", "0", "99999", "7", "", "", ""])
        return (uid, gid)
    }

    func write(to root: borrowing RootDirectory) throws {
        let shadowGroup = UInt32(group.first { $0[0] == "shadow" }?[2] ?? "0") ?? 0
        try root.write("/etc/passwd", Self.text(passwd), mode: 0o644)
        try root.write("/etc/group", Self.text(group), mode: 0o644)
        try root.write("/etc/shadow", Self.text(shadow), mode: 0o640, group: shadowGroup)
        try root.write("/etc/gshadow", Self.text(gshadow), mode: 0o640, group: shadowGroup)
    }

    private mutating func append(group name: String, _ gid: UInt32) {
        group.append([name, "x", String(gid), ""])
        gshadow.append([name, "!", "", ""])
    }

    /// The first id for people that nobody has.
    private static func free(_ taken: [String]) -> UInt32 {
        let taken = Set(taken)
        return (1000...59999).first { !taken.contains(String($0)) } ?? 59999
    }

    private static func lines(
        _ root: borrowing RootDirectory, _ path: String, fields: Int, _ place: ManifestError.Place
    ) throws -> [[String]] {
        let text = String(decoding: try root.read(path) ?? [], as: UTF8.self)
        return try text.split(separator: "\n").map { line in
            let parts = line.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == fields else {
                throw ManifestError(
                    place,
                    "the image's \(path) has a line with \(parts.count) instead of \(fields) fields: '\(line)'; mend what writes it"
                )
            }
            return parts
        }
    }

    private static func text(_ lines: [[String]]) -> [UInt8] {
        Array(lines.map { $0.joined(separator: ":") + "\n" }.joined().utf8)
    }
}
