import Glibc
import Linux

/// Which workspace a label in a pool belongs to: two that have images of the same label would take it from each other. Each is a small file
/// in `<pool>/workspaces`, beside the names, which others may take away and give as they like.
extension Pool {
    private var owners: String { "\(path)/workspaces" }

    /// The root of the workspace whose build gave a label to a layer last; nil when that isn't known, or nothing has the name any more.
    public func workspace(ofLabel label: String) throws -> String? {
        guard try Files.readTextIfPresent("\(names)/\(Self.encode(label))") != nil,
            let root = try Files.readTextIfPresent("\(owners)/\(Self.encode(label))"), root.hasPrefix("/")
        else { return nil }
        return root
    }

    /// Gives a layer a label of a workspace.
    ///
    /// - Parameters:
    ///   - root: the workspace's.
    ///   - commits: see `name`.
    public func name(_ label: String, _ id: LayerID, ofWorkspace root: String, commits: Bool = true) throws {
        try name(label, id, commits: commits)
        let file = "\(owners)/\(Self.encode(label))"
        if try Files.readTextIfPresent(file) == root { return }
        try Files.makeDirectories(owners, mode: 0o700)
        try Files.replace(file, with: root.utf8, syncsName: commits)
    }
}
