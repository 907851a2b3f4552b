extension CommandDecoder {
    /// The command, and where in its bytes its data is, which is empty for most.
    func decode() throws(CommandFault) -> (command: StreamCommand, data: Range<Int>) {
        let type = type
        if type == .end { return (.end, 0..<0) }
        let path = try name(.path)
        switch type {
        case .subvolume:
            return (
                .subvolume(path: path, uuid: try uuid(.uuid), transaction: try number(.transaction), note: try note()),
                0..<0
            )
        case .snapshot:
            return (
                .snapshot(
                    path: path, uuid: try uuid(.uuid), transaction: try number(.transaction), source: try uuid(.cloneUUID),
                    sourceTransaction: try number(.cloneTransaction), note: try note()), 0..<0
            )
        case .write: return (.write(path: path, offset: try number(.fileOffset)), try place(.data))
        case .encodedWrite:
            let extent = StreamCommand.EncodedExtent(
                offset: try number(.fileOffset), fileLength: try number(.unencodedFileLength),
                length: try number(.unencodedLength), start: try number(.unencodedOffset),
                compression: try optionalNumber(.compression, as: UInt32.self) ?? 0,
                encryption: try optionalNumber(.encryption, as: UInt32.self) ?? 0)
            return (.encodedWrite(path: path, extent), try place(.data))
        case .makeFile, .makeDirectory, .makeNode, .makeFIFO, .makeSocket, .makeSymlink:
            return (try make(path), 0..<0)
        default: return (try change(path), 0..<0)
        }
    }

    private func make(_ path: [UInt8]) throws(CommandFault) -> StreamCommand {
        let inode = try optionalNumber(.inode)
        switch type {
        case .makeFile: return .makeFile(path: path, inode: inode)
        case .makeDirectory: return .makeDirectory(path: path, inode: inode)
        case .makeNode:
            return .makeNode(path: path, inode: inode, mode: try number(.mode), device: try number(.device))
        case .makeFIFO: return .makeFIFO(path: path, inode: inode)
        case .makeSocket: return .makeSocket(path: path, inode: inode)
        default: return .makeSymlink(path: path, inode: inode, target: try name(.pathLink))
        }
    }

    private func change(_ path: [UInt8]) throws(CommandFault) -> StreamCommand {
        switch type {
        case .rename: return .rename(path: path, to: try name(.pathTo))
        case .link: return .link(path: path, existing: try name(.pathLink))
        case .unlink: return .unlink(path: path)
        case .removeDirectory: return .removeDirectory(path: path)
        case .setAttribute:
            return .setAttribute(path: path, name: try name(.attributeName), value: try string(.attributeValue))
        case .removeAttribute: return .removeAttribute(path: path, name: try name(.attributeName))
        case .clone:
            return .clone(
                path: path, offset: try number(.fileOffset), length: try number(.cloneLength), source: try uuid(.cloneUUID),
                sourceTransaction: try number(.cloneTransaction), sourcePath: try name(.clonePath),
                sourceOffset: try number(.cloneOffset))
        case .truncate: return .truncate(path: path, size: try number(.size))
        case .setMode: return .setMode(path: path, mode: try number(.mode))
        case .setOwner: return .setOwner(path: path, user: try number(.user), group: try number(.group))
        case .setTimes:
            return .setTimes(
                path: path, access: try time(.accessTime), modification: try time(.modificationTime),
                change: try time(.changeTime), birth: optionalPlace(.birthTime) == nil ? nil : try time(.birthTime))
        case .updateExtent: return .updateExtent(path: path, offset: try number(.fileOffset), length: try number(.size))
        case .fallocate:
            return .fallocate(
                path: path, mode: try number(.fallocateMode, as: UInt32.self), offset: try number(.fileOffset),
                length: try number(.size))
        case .setFlags: return .setFlags(path: path, flags: try number(.flags))
        case .enableVerity:
            return .enableVerity(
                path: path, algorithm: try number(.verityAlgorithm, as: UInt8.self),
                blockSize: try number(.verityBlockSize, as: UInt32.self), salt: try string(.veritySalt),
                signature: try string(.veritySignature))
        default: throw CommandFault(.unknownCommand, "'\(type.name)' can't be here")
        }
    }

    /// What Butterdish says of a layer: an extended attribute of the subvolume's command, which nobody else reads there.
    private func note() throws(CommandFault) -> [UInt8]? {
        guard optionalPlace(.attributeName) != nil, try name(.attributeName) == StreamNote.name else { return nil }
        return try string(.attributeValue)
    }
}

/// The name of the attribute that carries the note.
enum StreamNote {
    static let name = Array("dish.layer".utf8)
}
