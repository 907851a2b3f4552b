import Manifest

extension ImageBuild {
    func add(_ group: Group, to root: borrowing RootDirectory, at place: ManifestError.Place) throws {
        var accounts = try Accounts(root, for: place)
        try accounts.add(group, at: place)
        try accounts.write(to: root)
    }

    /// Adds a user, and the home directory unless it is there.
    func add(_ user: User, to root: borrowing RootDirectory, at place: ManifestError.Place) throws {
        var accounts = try Accounts(root, for: place)
        let ids = try accounts.add(user, at: place)
        try accounts.write(to: root)
        if !root.exists(user.home) { try root.makeDirectory(user.home, mode: 0o700, owner: ids.user, group: ids.group) }
    }

    /// Adds a key to a user's authorized_keys(5), for which sshd(8) wants modes that nobody else can write with.
    func grant(_ access: Access, in root: borrowing RootDirectory, at place: ManifestError.Place) throws {
        let accounts = try Accounts(root, for: place)
        guard let user = accounts.entry(of: access.user) else {
            throw ManifestError(place, "there is no user '\(access.user)' in the image; add it under 'users'")
        }
        let folder = "\(user.home)/.ssh"
        if !root.exists(folder) { try root.makeDirectory(folder, mode: 0o700, owner: user.uid, group: user.gid) }
        let path = "\(folder)/authorized_keys"
        var lines = String(decoding: try root.read(path) ?? [], as: UTF8.self).split(separator: "\n").map(String.init)
        if !lines.contains(access.publicKey) { lines.append(access.publicKey) }
        let text = lines.map { $0 + "\n" }.joined()
        try root.write(path, Array(text.utf8), mode: 0o600, owner: user.uid, group: user.gid)
    }
}
