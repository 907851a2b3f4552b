/// What is wrong with a send stream, and where.
public struct StreamError: Error, CustomStringConvertible, Equatable {
    public enum Code: Sendable {
        /// It doesn't begin as a stream does.
        case notAStream
        /// A protocol that isn't known.
        case unsupportedVersion
        /// It ends in the middle.
        case truncated
        case badChecksum
        /// Something follows the end that isn't another stream.
        case trailingBytes
        case unknownCommand
        /// A command is longer than any that the kernel makes.
        case tooLong
        case unknownAttribute
        case missingAttribute
        case duplicateAttribute
        /// An attribute reaches beyond its command.
        case attributeOutOfBounds
        /// An attribute that has the wrong length, or a value that it can't have.
        case invalidValue
        /// A command that may not be applied: it leads out of the tree, or is not possible in its place.
        case refused
    }

    public let code: Code
    /// Bytes from the beginning of what was read to the command or header in question.
    public let offset: UInt64
    /// What is wrong there.
    public let reason: String

    public init(_ code: Code, at offset: UInt64, _ reason: String) {
        self.code = code
        self.offset = offset
        self.reason = reason
    }

    public var description: String { "send stream, byte \(offset): \(reason)" }
}

/// What is wrong with a command, before it is known where it was.
struct CommandFault: Error {
    let code: StreamError.Code
    let reason: String

    init(_ code: StreamError.Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }
}
