import SendStream

/// The first command of a stream.
struct StreamHead {
    /// The sender's identity of the subvolume, and the transaction in which it was as it is sent.
    let path: [UInt8]
    let uuid: SubvolumeUUID
    let transaction: UInt64
    /// The tree that it is against.
    let source: SubvolumeUUID?
    let sourceTransaction: UInt64
    let note: [UInt8]?
    let offset: UInt64

    static func read<Source: ByteSource>(_ reader: inout StreamReader<Source>) throws -> StreamHead {
        guard let head = try readIfMore(&reader) else {
            throw StreamError(.truncated, at: reader.offset, "there is nothing to receive")
        }
        return head
    }

    /// Nil at the end of the source.
    static func readIfMore<Source: ByteSource>(_ reader: inout StreamReader<Source>) throws -> StreamHead? {
        let offset = reader.offset
        return try reader.next { command, _ in
            switch command {
            case .subvolume(let path, let uuid, let transaction, let note):
                StreamHead(
                    path: path, uuid: uuid, transaction: transaction, source: nil, sourceTransaction: 0, note: note,
                    offset: offset)
            case .snapshot(let path, let uuid, let transaction, let source, let sourceTransaction, let note):
                StreamHead(
                    path: path, uuid: uuid, transaction: transaction, source: source, sourceTransaction: sourceTransaction,
                    note: note, offset: offset)
            default:
                throw StreamError(.refused, at: offset, "the stream begins with '\(command.name)' instead of a subvolume")
            }
        }
    }

    /// The name of the subvolume for people and for names here: its path's last component.
    var name: String {
        let last = path.split(separator: UInt8(ascii: "/")).last ?? []
        return String(decoding: last.map { $0 < 32 || $0 > 126 ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
    }
}

extension StreamReader where Source: ByteSource {
    /// Reads to the end of the stream.
    mutating func skipStream() throws {
        while try next({ command, _ in command }) != .end {}
    }
}
