import AgentAPI
public import Glibc
import Linux

/// The Unix socket of the API: its path, and whose it is.
public struct APISocket: Sendable {
    public let path: String
    let group: gid_t?
    /// What systemd listens on at that path for the agent; it stays when the agent goes.
    let given: CInt?

    /// - Parameters:
    ///   - path: what is there is replaced, unless `given` is what listens there.
    ///   - group: who may use it beside root; nil for nobody. That group is as good as root.
    ///   - given: a socket that listens already; nil to make one.
    public init(path: String, group: gid_t? = nil, given: CInt? = nil) {
        self.path = path
        self.group = group
        self.given = given
    }

    /// A socket that listens, and that only root and the group can reach: nobody else comes into its directory.
    ///
    /// - Returns: the descriptor; the caller's own.
    func listen() throws -> CInt {
        let directory = Files.parent(of: path)
        try retryingInterrupts("change the group of", directory) { chown(directory, 0, group ?? 0) }
        try retryingInterrupts("change the mode of", directory) { chmod(directory, group == nil ? 0o700 : 0o710) }
        if let given {
            try admitGroup()
            // Its own is kept for `refuseWaiting`.
            return try retryingInterrupts("duplicate the socket", path) { fcntl(given, F_DUPFD_CLOEXEC, 0) }
        }
        unlink(path)
        let socket = try UnixSocket.make(SOCK_STREAM)
        try retryingInterrupts("bind a socket to", path) { UnixSocket.withAddress(path) { bind(socket.number, $0, $1) } }
        // Before it listens, which is when there is something to come to.
        try admitGroup()
        try retryingInterrupts("listen at", path) { Glibc.listen(socket.number, 256) }
        return socket.release()
    }

    private func admitGroup() throws {
        try retryingInterrupts("change the group of", path) { chown(path, 0, group ?? 0) }
        try retryingInterrupts("change the mode of", path) { chmod(path, group == nil ? 0o600 : 0o660) }
    }

    /// Tells those who wait at systemd's socket that there will be no agent for now, and why: they would wait for nothing.
    public func refuseWaiting(_ reason: String) {
        guard let given, let body = try? encodeAnswer(AgentError(.failed, reason)) else { return }
        let head =
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        _ = fcntl(given, F_SETFL, fcntl(given, F_GETFL) | O_NONBLOCK)
        while true {
            let number = accept(given, nil, nil)
            guard number >= 0 else { return }
            let connection = OwnedFD(adopting: number)
            try? Files.write(Array(head.utf8) + Array(body), to: connection.number, path)
        }
    }
}
