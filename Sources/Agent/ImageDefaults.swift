import AgentAPI
import CLinux
import Glibc
import Layers
import Linux
import Spec
import TaskHelper

/// What an image says of its tasks, where a request says nothing.
struct ImageDefaults: Sendable {
    private let configuration: ImageConfiguration
    private let hasInit: Bool
    private let root: String

    /// - Parameter root: of the layer.
    init(root: String) throws {
        self.root = root
        configuration = try ImageConfiguration.read(root: root)
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        hasInit = ["sbin/init", "usr/sbin/init"].contains { directory.contains($0) }
    }

    /// A request with all that it leaves to the image filled in.
    ///
    /// - Throws: `AgentError` when nothing says what to run.
    func complete(_ given: TaskRequest) throws -> TaskRequest {
        var request = given
        request.environment = configuration.environment.merging(given.environment) { $1 }
        if request.command == nil, !hasInit || configuration.entrypoint != nil {
            guard !configuration.commandLine.isEmpty else {
                throw AgentError(
                    .invalid,
                    "the image \(given.image) has no init (/sbin/init) to boot and no command of its own; give one: dish run \(given.image) -- COMMAND",
                    field: "command")
            }
            request.command = configuration.commandLine
        }
        guard request.command != nil else {
            let ofCommands = [
                ("user", given.user != nil), ("directory", given.directory != nil), ("terminal", given.terminal),
                ("interactive", given.interactive),
            ]
            if let (field, _) = ofCommands.first(where: \.1) {
                throw AgentError(
                    .invalid,
                    "the image \(given.image) is booted, and a user, a directory, a terminal and standard input are for a command; give one: dish run \(given.image) -- COMMAND",
                    field: field)
            }
            request.attach = false
            return request
        }
        request.user = given.user ?? configuration.user
        // An image's own begins at the root. Names with ".." are taken as they are written, as by Docker.
        request.directory = (given.directory ?? configuration.directory.map { "/\($0)" }).map(Self.withoutDots)
        return request
    }

    /// A path without `.`, `..` and empty names; one that isn't absolute as it is.
    static func withoutDots(_ path: String) -> String {
        guard path.hasPrefix("/") else { return path }
        var names: [Substring] = []
        for name in path.split(separator: "/") where name != "." {
            if name == ".." { _ = names.popLast() } else { names.append(name) }
        }
        return "/" + names.joined(separator: "/")
    }

    /// Finds whom a request's command runs as, and puts what that user is to have into its environment.
    ///
    /// - Returns: nil for root, and where the runtime has to look the name up.
    func account(_ request: inout TaskRequest, root: String) throws -> TaskAccount? {
        guard let user = request.user, let first = request.command?.first, StartProgram.isAvailable else { return nil }
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        let found = try TaskManager.naming("user") { try ImageUser(user, root: directory) }
        if found.identity.user == 0, found.identity.group == 0 { return nil }
        for (name, value) in [("HOME", found.home), ("USER", found.name), ("LOGNAME", found.name)] {
            request.environment[name] = request.environment[name] ?? value
        }
        let search = request.environment["PATH"]
        let path = try TaskManager.naming("command[0]") { try ImageUser.program(first, path: search, root: directory) }
        if path.hasPrefix("/"), request.volumes.isEmpty, configuration.mounts.isEmpty, !directory.contains(path) {
            throw AgentError(.invalid, "there is no '\(path)' in the image \(request.image)", field: "command[0]")
        }
        return TaskAccount(identity: found.identity, program: path)
    }

    /// What asks a command to end; nil for SIGTERM.
    var stopSignal: Int? {
        configuration.stopSignal.flatMap { Signal.number($0) }
    }

    /// The image's mounts. Those of the host's paths are an image's wish: only whoever starts the task can grant it.
    ///
    /// - Returns: the mounts, the host's paths without symbolic links, and the allowed paths that they are below.
    /// - Throws: `AgentError` for a path of the host that isn't there, or that the request doesn't allow.
    func mounts(for request: TaskRequest) throws -> (mounts: [ImageConfiguration.Mount], bases: [String]) {
        var bases: [String] = []
        let mounts = try configuration.mounts.map { mount in
            guard let host = mount.host else { return mount }
            let what = "the image \(request.image) mounts this host's '\(host)' at '\(mount.path)'"
            guard let path = Self.realPath(host) else {
                throw AgentError(
                    .invalid, "\(what), and there is no such path; make it, or build the image without that mount")
            }
            let base = request.allowedMounts.compactMap(Self.realPath).first {
                path == $0 || path.hasPrefix($0 == "/" ? "/" : $0 + "/")
            }
            guard let base else {
                throw AgentError(
                    .invalid,
                    "\(what), which was not allowed; if the image may have it, say so: dish run --allow-mount \(host)")
            }
            bases.append(base)
            var resolved = mount
            resolved.host = path
            return resolved
        }
        return (mounts, bases)
    }

    /// The directories that tasks see in the layer itself.
    ///
    /// - Throws: `AgentError` for what isn't one: a link would lead to the host's.
    func immutable() throws -> [String]? {
        guard let paths = configuration.immutable, !paths.isEmpty else { return nil }
        let root = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        for path in paths {
            let names = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
            let isPath = path.hasPrefix("/") && names.allSatisfy { !["", ".", ".."].contains($0) }
            guard isPath, (try? root.open(beneath: String(path.dropFirst()), DISH_O_PATH | O_DIRECTORY)) != nil else {
                throw AgentError(
                    .invalid, "the image's immutable '\(path)' is no directory of its own; build the image without it")
            }
        }
        return paths
    }

    private static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
