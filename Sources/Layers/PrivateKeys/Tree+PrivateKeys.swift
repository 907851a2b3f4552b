import Dispatch
import Glibc
import Linux
import Synchronization

extension Tree {
    /// A file of this size or less is searched whole; of a larger one the start is.
    private static let searched = 1 << 20
    private static let start = 64 << 10

    /// The private keys among the files that were read to make this tree, sorted by path.
    ///
    /// - Parameter root: where the tree is: a root in staging, which nobody else changes.
    public func privateKeys(in root: String) throws -> [PrivateKey] {
        let directory = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        // What documentation shows is no secret.
        let documentation = Array("usr/share/doc/".utf8)
        let paths = TreePaths(self)
        let (number, files) = (directory.number, readFiles.filter { !paths.path($0).starts(with: documentation) })
        let found = Mutex((keys: [PrivateKey](), failure: (any Error)?.none))
        let chunk = 32
        let cancellation = Cancellation.current
        DispatchQueue.concurrentPerform(iterations: (files.count + chunk - 1) / chunk) { index in
            guard found.withLock({ $0.failure == nil }) else { return }
            let searched = Result {
                try Cancellation.joining(cancellation) {
                    try files[index * chunk..<min(files.count, (index + 1) * chunk)].compactMap { file in
                        try Cancellation.check()
                        let path = paths.path(file)
                        return try Self.kind(of: path, below: number).map { PrivateKey(path: text(path), kind: $0) }
                    }
                }
            }
            found.withLock { all in
                switch searched {
                case .success(let keys): all.keys += keys
                case .failure(let error): all.failure = error
                }
            }
        }
        _ = consume directory
        return try found.withLock { all in
            if let failure = all.failure { throw failure }
            return all.keys.sorted { $0.path < $1.path }
        }
    }

    private static func kind(of path: [UInt8], below root: CInt) throws -> String? {
        let file = try TreeReader.openFile(path, below: root)
        var status = stat()
        let number = file.number
        try retryingInterrupts("stat", text(path)) { fstat(number, &status) }
        let size = Int(status.st_size)
        guard size >= 8 else { return nil }
        var content = [UInt8](repeating: 0, count: size <= searched ? size : start)
        var length = 0
        while length < content.count {
            let (offset, rest) = (length, content.count - length)
            let count = try retryingInterrupts("read", text(path)) {
                content.withUnsafeMutableBytes { read(number, $0.baseAddress! + offset, rest) }
            }
            if count == 0 { break }
            length += count
        }
        content.removeSubrange(length...)
        let name = path.split(separator: UInt8(ascii: "/")).last ?? []
        return PrivateKey.kind(name: String(decoding: name, as: UTF8.self), content: content, size: size)
    }
}
