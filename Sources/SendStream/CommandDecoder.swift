/// The attributes of one command: where in its bytes each one is. Nothing is copied until it is asked for.
struct CommandDecoder: ~Escapable {
    private let bytes: RawSpan
    let type: StreamFormat.Command
    /// By attribute: offset of its value and its length; an offset of 0 is none, because a type comes before each value.
    private var places = InlineArray<36, (offset: UInt32, length: UInt32)>(repeating: (0, 0))

    /// - Parameter bytes: what follows the command's header.
    @_lifetime(copy bytes)
    init(_ command: StreamFormat.Command, _ bytes: RawSpan, version: UInt32) throws(CommandFault) {
        self.bytes = bytes
        type = command
        var position = 0
        while position < bytes.byteCount {
            guard let number = Self.load(bytes, position, as: UInt16.self) else {
                throw CommandFault(.attributeOutOfBounds, "an attribute of '\(command.name)' reaches beyond the command")
            }
            position += 2
            guard let attribute = StreamFormat.Attribute(rawValue: number) else {
                throw CommandFault(.unknownAttribute, "'\(command.name)' has an attribute of the unknown type \(number)")
            }
            var length = bytes.byteCount - position
            // From protocol 2 on, data has no length: it is all that is left.
            if version < 2 || attribute != .data {
                guard let given = Self.load(bytes, position, as: UInt16.self) else {
                    throw CommandFault(
                        .attributeOutOfBounds, "the attribute '\(attribute.name)' of '\(command.name)' reaches beyond the command")
                }
                length = Int(given)
                position += 2
            }
            guard length <= bytes.byteCount - position else {
                throw CommandFault(
                    .attributeOutOfBounds, "the attribute '\(attribute.name)' of '\(command.name)' reaches beyond the command")
            }
            guard places[Int(number)].offset == 0 else {
                throw CommandFault(.duplicateAttribute, "'\(command.name)' has the attribute '\(attribute.name)' twice")
            }
            places[Int(number)] = (UInt32(position), UInt32(length))
            position += length
        }
    }

    private static func load<Value: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: RawSpan, _ offset: Int, as type: Value.Type
    ) -> Value? {
        guard offset + MemoryLayout<Value>.size <= bytes.byteCount else { return nil }
        return Value(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }

    /// Where an attribute's value is.
    func place(_ attribute: StreamFormat.Attribute) throws(CommandFault) -> Range<Int> {
        guard let place = optionalPlace(attribute) else {
            throw CommandFault(.missingAttribute, "'\(type.name)' lacks its attribute '\(attribute.name)'")
        }
        return place
    }

    func optionalPlace(_ attribute: StreamFormat.Attribute) -> Range<Int>? {
        let (offset, length) = places[Int(attribute.rawValue)]
        return offset == 0 ? nil : Int(offset)..<Int(offset) + Int(length)
    }

    func number<Value: FixedWidthInteger & BitwiseCopyable>(
        _ attribute: StreamFormat.Attribute, as integer: Value.Type = UInt64.self
    ) throws(CommandFault) -> Value {
        let place = try place(attribute)
        guard place.count == MemoryLayout<Value>.size, let value = Self.load(bytes, place.lowerBound, as: integer) else {
            throw wrongLength(attribute, place.count)
        }
        return value
    }

    func optionalNumber<Value: FixedWidthInteger & BitwiseCopyable>(
        _ attribute: StreamFormat.Attribute, as integer: Value.Type = UInt64.self
    ) throws(CommandFault) -> Value? {
        optionalPlace(attribute) == nil ? nil : try number(attribute, as: integer)
    }

    func string(_ attribute: StreamFormat.Attribute) throws(CommandFault) -> [UInt8] {
        let place = try place(attribute)
        return bytes.extracting(place).withUnsafeBytes { Array($0) }
    }

    /// A path, a link's target or an attribute's name: no zero byte can be in it.
    func name(_ attribute: StreamFormat.Attribute) throws(CommandFault) -> [UInt8] {
        let name = try string(attribute)
        guard !name.contains(0) else {
            throw CommandFault(.invalidValue, "the attribute '\(attribute.name)' of '\(type.name)' has a zero byte in it")
        }
        return name
    }

    func uuid(_ attribute: StreamFormat.Attribute) throws(CommandFault) -> SubvolumeUUID {
        let bytes = try string(attribute)
        guard let uuid = SubvolumeUUID(bytes) else { throw wrongLength(attribute, bytes.count) }
        return uuid
    }

    func time(_ attribute: StreamFormat.Attribute) throws(CommandFault) -> StreamCommand.Time {
        let place = try place(attribute)
        guard place.count == 12, let seconds = Self.load(bytes, place.lowerBound, as: Int64.self),
            let nanoseconds = Self.load(bytes, place.lowerBound + 8, as: UInt32.self)
        else { throw wrongLength(attribute, place.count) }
        return StreamCommand.Time(seconds: seconds, nanoseconds: nanoseconds)
    }

    private func wrongLength(_ attribute: StreamFormat.Attribute, _ length: Int) -> CommandFault {
        CommandFault(.invalidValue, "the attribute '\(attribute.name)' of '\(type.name)' has the wrong length \(length)")
    }
}
