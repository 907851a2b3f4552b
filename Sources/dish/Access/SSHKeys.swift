import AgentAPI
import Glibc
import Linux

/// Key pairs for sessions in tasks: one of the host, and one of each task, made by the first connection (docs/access.md).
struct SSHKeys {
    /// A pair of files.
    struct Pair {
        /// The private key; the public one has `.pub` added.
        let path: String

        func privateKey() throws -> [UInt8] { try Files.read(path) }

        /// `ssh-ed25519 BASE64`, without the comment.
        func publicKey() throws -> String {
            let words = try Files.readText("\(path).pub").split(whereSeparator: \.isWhitespace)
            return words.prefix(2).joined(separator: " ")
        }
    }

    /// What the host's user logs in with.
    static func ofHost() throws -> Pair {
        let directory = "\(hostStateDirectory)/ssh"
        try Files.makeDirectories(directory, mode: 0o700)
        return try pair("\(directory)/id_ed25519", comment: "dish")
    }

    /// What a task shows to clients. It goes with the task.
    static func ofTask(_ task: TaskStatus) throws -> Pair {
        let state = task.paths.state ?? "\(hostStateDirectory)/tasks/\(task.id)"
        guard Files.isDirectory(state) else {
            throw AgentError(
                .notFound,
                "the state of the task '\(task.name)' is not in '\(state)'; set DISH_STATE_DIR to the agent's --state-dir")
        }
        return try pair("\(state)/ssh_host_ed25519_key", comment: task.name)
    }

    private static func pair(_ path: String, comment: String) throws -> Pair {
        if Files.exists(path) { return Pair(path: path) }
        let lock = try FileLock(waitingFor: "\(path).lock")
        if !Files.exists(path) { try make(path, comment) }
        _ = consume lock
        return Pair(path: path)
    }

    private static func make(_ path: String, _ comment: String) throws {
        guard let program = Executable.find("ssh-keygen") else {
            throw AgentError(.failed, "make an SSH key: ssh-keygen is not installed; install it: apt-get install openssh-client")
        }
        let unfinished = "\(path).new"
        for file in [unfinished, "\(unfinished).pub"] { unlink(file) }
        let result = try Command(program, ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", unfinished]).runBlocking()
        guard result.status.isSuccess else { throw AgentError(.failed, "make an SSH key: ssh-keygen: \(result.errorText)") }
        try retryingInterrupts("rename", path) { rename("\(unfinished).pub", "\(path).pub") }
        // Last: where this one is, both are.
        try retryingInterrupts("rename", path) { rename(unfinished, path) }
    }
}
