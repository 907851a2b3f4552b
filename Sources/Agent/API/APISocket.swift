public import Glibc
import Linux

/// The Unix socket of the API: its path, and whose it is.
public struct APISocket: Sendable {
    let path: String
    let group: gid_t?

    /// - Parameters:
    ///   - path: what is there is replaced.
    ///   - group: who may use it beside root; nil for nobody. That group is as good as root.
    public init(path: String, group: gid_t? = nil) {
        self.path = path
        self.group = group
    }

    /// Lets the group come as far as the socket, and nobody else.
    ///
    /// Until `open` it is root's alone: it is made with the modes that the mask leaves.
    func prepare() throws {
        unlink(path)
        let directory = Files.parent(of: path)
        try retryingInterrupts("change the group of", directory) { chown(directory, 0, group ?? 0) }
        try retryingInterrupts("change the mode of", directory) { chmod(directory, group == nil ? 0o700 : 0o710) }
    }

    /// Once it is there.
    func open() {
        chown(path, 0, group ?? 0)
        chmod(path, group == nil ? 0o600 : 0o660)
    }
}
