import AgentAPI
import ArgumentParser
import CLinux
import Glibc
import Linux
import OCI

struct CopyFiles: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cp", abstract: "Copy files and directories to and from a task, running or not.",
        discussion: """
            A directory that is there gets the source below its name; SOURCE/. is what is in a directory; - is a tar archive on standard input or
            output. Copies belong to root inside, or to you outside.

            Examples:
              dish cp web:/etc/nginx/nginx.conf .
              dish cp site/. web:/var/www/html
              dish cp web:/var/log - | tar t
              tar c site | dish cp - web:/srv
            """)

    @Argument(help: "TASK:/path, a path, or - for an archive on standard input.", completion: .file())
    var source: String
    @Argument(help: "TASK:/path, a path, or - for an archive on standard output.", completion: .file())
    var target: String
    @Flag(name: .shortAndLong, help: "Keep owners, as they are inside, and set-user-id bits.")
    var archive = false

    func validate() throws {
        if source == "-", target == "-" { throw ValidationError("One of the two must be a path.") }
        if target == "-", isatty(STDOUT_FILENO) != 0 {
            throw ValidationError("An archive is no text: redirect standard output to a file or a pipe.")
        }
    }

    func run() async throws {
        try requireRoot(to: "read tasks' files")
        let (source, target) = (try await CopyPlace(source), try await CopyPlace(target))
        if case .host = source, case .host = target {
            throw AgentError(.invalid, "neither '\(source.name)' nor '\(target.name)' is in a task; write TASK:/path, or use cp")
        }
        let warnings = try await copy(source, target)
        for warning in warnings { print(printable("dish: \(warning)"), to: .errors) }
    }

    private func copy(_ source: CopyPlace, _ target: CopyPlace) async throws -> [String] {
        if case .archive = target {
            return try await blocking { try Self.pack(source, as: source.lastName ?? "", to: STDOUT_FILENO) }
        }
        let (directory, name) = try target.openTarget()
        let owner = try target.owner
        let owners: TreeUnpacker.Owners =
            archive ? .archived(firstID: try target.firstID) : .one(user: owner.user, group: owner.group)
        if case .archive = source {
            if let name { throw AgentError(.notFound, "there is no directory '\(name)' in '\(Files.parent(of: target.name))'") }
            return try await blocking { try Self.unpack(STDIN_FILENO, target, directory, owners) }
        }
        let (reading, writing) = try Self.pipe()
        // The owner of new files is a thread's: each side has one.
        async let packing = outcome {
            defer { close(writing) }
            return try Self.pack(source, as: name ?? source.lastName ?? "", to: writing)
        }
        async let unpacking = outcome {
            defer { close(reading) }
            return try Self.unpack(reading, target, directory, owners)
        }
        switch await (packing, unpacking) {
        // What was read no further ends the writer too, and an archive that was written no further the reader.
        case (.failure(let error as SystemError), let unpacked) where error.code == EPIPE:
            _ = try unpacked.get()
            throw error
        case (let packed, let unpacked): return try packed.get() + unpacked.get()
        }
    }

    private static func pipe() throws -> (reading: CInt, writing: CInt) {
        var ends: [CInt] = [-1, -1]
        try retryingInterrupts("create pipe") { dish_pipe(&ends) }
        return (ends[0], ends[1])
    }

    private func outcome(_ body: @escaping @Sendable () throws -> [String]) async -> Result<[String], any Error> {
        do {
            return .success(try await blocking(body))
        } catch {
            return .failure(error)
        }
    }

    private static func pack(_ place: CopyPlace, as name: String, to descriptor: CInt) throws -> [String] {
        let packer = TreePacker(to: descriptor, firstID: try place.firstID)
        try packer.add(place.openSource(), as: name)
        try packer.finish()
        return packer.warnings
    }

    private static func unpack(
        _ descriptor: CInt, _ place: CopyPlace, _ directory: CInt, _ owners: TreeUnpacker.Owners
    ) throws -> [String] {
        let unpacker = TreeUnpacker(into: OwnedFD(adopting: directory), owners: owners)
        try place.writing { try unpacker.unpack(descriptor) }
        return unpacker.warnings
    }
}
