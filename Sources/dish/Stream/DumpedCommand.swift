import Layers
import SendStream

/// A command of a stream as it is shown.
struct DumpedCommand: Encodable {
    private let command: StreamCommand
    private let offset: UInt64
    /// Bytes of its data.
    private let data: Int?

    init(_ command: StreamCommand, offset: UInt64, data: Int) {
        self.command = command
        self.offset = offset
        switch command {
        case .write, .encodedWrite: self.data = data
        default: self.data = nil
        }
    }

    /// One line: what is no plain text in it is escaped.
    var text: String {
        let name = command.name + String(repeating: " ", count: max(1, 14 - command.name.count))
        var fields = command.fields.map { "\($0.name)=\(Self.text($0.value))" }
        if let data { fields.append("data=\(data)") }
        return "\(offset)\t\(name)\(fields.joined(separator: " "))"
    }

    func json() throws -> String {
        let text = String(decoding: try StateFile.encode(self), as: UTF8.self)
        return String(text.dropLast())
    }

    private static func text(_ value: StreamCommand.Field) -> String {
        switch value {
        case .number(let number): return "\(number)"
        case .time(let time): return seconds(time)
        case .bytes(let count): return "\(count)"
        case .text(let bytes):
            var text = ""
            for byte in bytes {
                if byte > 32, byte < 127, byte != UInt8(ascii: "\\") {
                    text.unicodeScalars.append(Unicode.Scalar(byte))
                } else {
                    text += "\\x" + hexadecimal([byte])
                }
            }
            return text
        }
    }

    private static func seconds(_ time: StreamCommand.Time) -> String {
        let digits = String(time.nanoseconds)
        return "\(time.seconds).\(String(repeating: "0", count: max(0, 9 - digits.count)))\(digits)"
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(command.name, forKey: Key(stringValue: "command"))
        try container.encode(offset, forKey: Key(stringValue: "offset"))
        if let data { try container.encode(data, forKey: Key(stringValue: "data")) }
        for (name, value) in command.fields {
            let key = Key(stringValue: name)
            switch value {
            case .number(let number): try container.encode(number, forKey: key)
            case .bytes(let count): try container.encode(count, forKey: key)
            case .time(let time): try container.encode(Self.seconds(time), forKey: key)
            case .text(let bytes): try container.encode(String(decoding: bytes, as: UTF8.self), forKey: key)
            }
        }
    }
}
