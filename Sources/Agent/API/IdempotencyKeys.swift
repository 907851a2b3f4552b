import AgentAPI
import Glibc
import Layers
import Linux

/// What requests with an `Idempotency-Key` were answered: the same again gets the same answer, and makes nothing twice.
///
/// Before a request is carried out its file says what it will make; afterwards, what came of it. One that was interrupted by the
/// agent's death is carried out again under the name that it had, or finds what it had made. Errors aren't kept: they made nothing.
actor IdempotencyKeys {
    /// Seconds that an answer is kept.
    static let lifetime: Int64 = 86400

    private struct Record: Codable {
        /// Of the body.
        var digest: String
        /// What is made is called so.
        var name: String
        /// Seconds since 1970.
        var at: Int64
        var status: Int?
        var answer: String?
    }

    /// What becomes of a request.
    enum Course: Sendable {
        /// It was answered before.
        case answered(status: Int, body: String)
        /// It is to be carried out.
        case open(Ticket)
    }

    struct Ticket: Sendable {
        fileprivate let file: String
        fileprivate let isDurable: Bool
        /// What is made is called so: 12 hexadecimal digits.
        let name: String
    }

    private let directory: String
    private var underWay: Set<String> = []
    private var swept: Int64 = 0

    init(stateDirectory: String) { directory = "\(stateDirectory)/idempotency" }

    /// - Parameters:
    ///   - request: method, path and query.
    ///   - isVoid: whether nothing came of what was answered so.
    /// - Throws: `AgentError` `.conflict` when the key was used for something else, or is in use now.
    func begin(
        _ key: String, for request: String, body: [UInt8], unless isVoid: @Sendable (_ answer: String) async -> Bool
    ) async throws -> Course {
        let now = Int64(time(nil))
        await sweep(now)
        let file = "\(directory)/\(hexadecimal(ContentHash.bytes(Array("\(request)\n\(key)".utf8)))).json"
        // Those of our own command line mean nothing after a start of the host, which ends that, too.
        let isDurable = !key.hasPrefix("dish-")
        guard underWay.insert(file).inserted else {
            throw AgentError(.conflict, "a request with this Idempotency-Key is under way; ask again for its answer")
        }
        do {
            let digest = hexadecimal(ContentHash.bytes(body))
            var record = Record(
                digest: digest, name: hexadecimal((0..<6).map { _ in UInt8.random(in: 0...255) }), at: now)
            if let earlier = await read(file), Self.isFresh(earlier.at, now) {
                guard earlier.digest == digest else {
                    throw AgentError(.conflict, "this Idempotency-Key came with another body before; take another key")
                }
                if let status = earlier.status, let body = earlier.answer, await !isVoid(body) {
                    underWay.remove(file)
                    return .answered(status: status, body: body)
                }
                record.name = earlier.name
            }
            try await write(record, file, durable: isDurable)
            return .open(Ticket(file: file, isDurable: isDurable, name: record.name))
        } catch {
            underWay.remove(file)
            throw error
        }
    }

    /// Keeps the answer, or forgets a request that was refused.
    func end(_ ticket: Ticket, status: Int, body: String) async {
        defer { underWay.remove(ticket.file) }
        guard (200..<300).contains(status) else {
            _ = try? await blocking { unlink(ticket.file) }
            return
        }
        guard var record = await read(ticket.file) else { return }
        (record.status, record.answer) = (status, body)
        // It is done, and whoever asked is told so. Who asks again finds what was made, under the name that is written down.
        try? await write(record, ticket.file, durable: ticket.isDurable)
    }

    private func read(_ file: String) async -> Record? {
        try? await blocking { try StateFile.read(Record.self, file) }
    }

    private func write(_ record: Record, _ file: String, durable: Bool) async throws {
        let directory = directory
        try await blocking {
            try Files.makeDirectories(directory, mode: 0o700)
            try StateFile.write(record, file, durable: durable)
        }
    }

    /// Once an hour: what is too old goes. So does what can't be read, or comes from a time to come.
    private func sweep(_ now: Int64) async {
        guard !Self.isFresh(swept, now, for: 3600) else { return }
        swept = now
        let (directory, underWay) = (directory, underWay)
        try? await blocking {
            guard Files.exists(directory) else { return }
            for name in try Files.list(directory) where !underWay.contains("\(directory)/\(name)") {
                let record = try? StateFile.read(Record.self, "\(directory)/\(name)")
                if record.map({ Self.isFresh($0.at, now) }) != true { unlink("\(directory)/\(name)") }
            }
        }
    }

    private static func isFresh(_ time: Int64, _ now: Int64, for seconds: Int64 = lifetime) -> Bool {
        time <= now && now - time < seconds
    }
}
