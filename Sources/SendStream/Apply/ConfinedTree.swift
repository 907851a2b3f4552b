import CLinux
import Glibc
import Linux

/// A tree that is reached by descriptor only: no `..`, no link and no other mount is ever followed on the way to a name
/// in it (openat2(2)), and names themselves are never followed.
final class ConfinedTree {
    let root: OwnedFD
    /// Open directories by path, so that a path is walked once and not for each command.
    private var directories: [ArraySlice<UInt8>: Directory] = [:]
    private var last: (path: ArraySlice<UInt8>, directory: Directory)?
    private static let mostDirectories = 128

    private final class Directory {
        let descriptor: OwnedFD

        init(_ descriptor: consuming OwnedFD) { self.descriptor = descriptor }
    }

    init(_ root: consuming OwnedFD) {
        self.root = root
    }

    /// The descriptor of the directory at a path. It is valid until the next call of this tree.
    func directory(_ path: ArraySlice<UInt8>) throws -> CInt {
        if path.isEmpty { return root.number }
        if let last, last.path == path { return last.directory.descriptor.number }
        if let known = directories[path] {
            last = (path, known)
            return known.descriptor.number
        }
        let opened = Directory(try open(Array(path), O_RDONLY | O_DIRECTORY))
        if directories.count >= Self.mostDirectories { directories.removeAll(keepingCapacity: true) }
        directories[path] = opened
        last = (path, opened)
        return opened.descriptor.number
    }

    /// Forgets all open directories: paths may mean others from now on.
    func forget() {
        directories.removeAll(keepingCapacity: true)
        last = nil
    }

    /// Opens a regular file; anything else isn't touched, for opening a device or a FIFO does things.
    func openFile(_ path: [UInt8], _ flags: CInt) throws -> OwnedFD {
        let split = try StreamPath(path)
        let at = try directory(split.parent)
        var status = stat()
        try retryingInterrupts("open", shown(path)) {
            withName(split.name) { fstatat(at, $0, &status, AT_SYMLINK_NOFOLLOW) }
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CommandFault(.refused, "'\(shown(path))' is no regular file")
        }
        return OwnedFD(
            adopting: try retryingInterrupts("open", shown(path)) {
                withName(split.name) { dish_openat(at, $0, flags | O_NOFOLLOW | O_CLOEXEC, 0) }
            })
    }

    private func open(_ path: [UInt8], _ flags: CInt) throws(SystemError) -> OwnedFD {
        try OwnedFD.open(path, below: root.number, flags, staysOnMount: true)
    }

    /// Takes away what keeps a name and its directory from being changed (`FileProtection`).
    ///
    /// - Returns: whether there was anything.
    func removeProtection(_ path: [UInt8]) throws -> Bool {
        let split = try StreamPath(path)
        return try FileProtection.remove(of: Array(split.name), in: directory(split.parent))
    }
}

func shown(_ path: some Sequence<UInt8>) -> String { "/" + String(decoding: Array(path), as: UTF8.self) }

/// Calls with a name as C has it.
func withName<Result>(_ name: ArraySlice<UInt8>, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: name.count + 1) { buffer in
        for (index, byte) in name.enumerated() { buffer[index] = CChar(bitPattern: byte) }
        buffer[name.count] = 0
        return body(buffer.baseAddress!)
    }
}
