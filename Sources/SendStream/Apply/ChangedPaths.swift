extension StreamCommand {
    /// The paths of what a command changes: files, and names in directories.
    var changedPaths: [[UInt8]] {
        switch self {
        case .subvolume, .snapshot, .end, .updateExtent, .setFlags: []
        case .rename(let path, let to): [path, to]
        case .link(let path, let existing): [path, existing]
        case .makeFile(let path, _), .makeDirectory(let path, _), .makeNode(let path, _, _, _), .makeFIFO(let path, _),
            .makeSocket(let path, _), .makeSymlink(let path, _, _), .unlink(let path), .removeDirectory(let path),
            .setAttribute(let path, _, _), .removeAttribute(let path, _), .write(let path, _), .encodedWrite(let path, _),
            .clone(let path, _, _, _, _, _, _), .truncate(let path, _), .fallocate(let path, _, _, _), .setMode(let path, _),
            .setOwner(let path, _, _), .setTimes(let path, _, _, _, _), .enableVerity(let path, _, _, _, _):
            [path]
        }
    }
}
