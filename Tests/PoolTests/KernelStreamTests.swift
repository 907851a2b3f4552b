import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import SendStream
import Testing

/// What `btrfs send` wrote, applied by us and by `btrfs receive`, is the same.
extension Streams {
    @Suite struct KernelStreamTests {
        @Test(arguments: [["--proto", "1"], ["--proto", "2"], ["--proto", "2", "--compressed-data"]])
        func theKernelsStreamsAreApplied(options: [String]) async throws {
            try await Streams.withPools(2) { pools in
                let source = pools[0].path
                let target = pools[1].path
                for seed in 1...4 {
                    var tree = RandomLayer("\(source)/a\(seed)", seed: 100 + seed)
                    try Subvolume.create("\(source)/a\(seed)")
                    try makeCompressed("\(source)/a\(seed)")
                    try tree.change(150)
                    try Subvolume.makeReadOnly("\(source)/a\(seed)")
                    try Subvolume.snapshot("\(source)/a\(seed)", to: "\(source)/b\(seed)")
                    tree = tree.moved(to: "\(source)/b\(seed)")
                    try tree.change(80)
                    try Subvolume.makeReadOnly("\(source)/b\(seed)")
                    let whole = try send(options + ["\(source)/a\(seed)"])
                    let difference = try send(options + ["-p", "\(source)/a\(seed)", "\(source)/b\(seed)"])
                    try Files.makeDirectories("\(target)/stock")
                    try receiveWithBtrfs(whole, in: "\(target)/stock")
                    try receiveWithBtrfs(difference, in: "\(target)/stock")
                    for decompresses in [false, true] {
                        let ours = "\(target)/ours-\(decompresses)"
                        try Files.makeDirectories(ours)
                        var known: [SubvolumeUUID: String] = [:]
                        try apply(whole, in: ours, &known, decompresses: decompresses)
                        try apply(difference, in: ours, &known, decompresses: decompresses)
                        for name in ["a\(seed)", "b\(seed)"] {
                            let expected = try TreeDigest(of: "\(source)/\(name)")
                            #expect(try TreeDigest(of: "\(ours)/\(name)") == expected, "\(name), \(options)")
                            #expect(try TreeDigest(of: "\(target)/stock/\(name)") == expected, "\(name), \(options)")
                        }
                    }
                    if options.count == 3 {
                        #expect(try commands(whole).contains { $0.name == "encoded_write" })
                    }
                }
            }
        }

        /// Files that each algorithm compresses.
        private func makeCompressed(_ root: String) throws {
            for algorithm in ["zlib", "lzo", "zstd"] {
                let folder = "\(root)/\(algorithm)"
                try Files.makeDirectories(folder)
                let name = Array(algorithm.utf8)
                #expect(dish_setxattr(folder, "btrfs.compression", name, UInt(name.count), 1) == 0)
                let text = (0..<60_000).flatMap { Array("line \($0 / 7) of \(algorithm)\n".utf8) }
                try Files.replace("\(folder)/text", with: text, durable: false)
            }
            try Filesystem(at: root).sync()
        }

        private func send(_ arguments: [String]) throws -> [UInt8] {
            let result = try Command("/usr/bin/btrfs", ["send", "-q"] + arguments).runBlocking()
            guard result.status.isSuccess else { throw FixtureError("btrfs send: \(result.errorText)") }
            return result.output
        }

        private func apply(
            _ bytes: [UInt8], in directory: String, _ known: inout [SubvolumeUUID: String], decompresses: Bool
        ) throws {
            var applier: TreeApplier?
            var reader = StreamReader(MemorySource(bytes))
            var made = ""
            func begin(_ path: [UInt8], _ uuid: SubvolumeUUID, from source: SubvolumeUUID?) throws {
                made = "\(directory)/\(String(decoding: path, as: UTF8.self))"
                if let source { try Subvolume.snapshot(known[source]!, to: made) } else { try Subvolume.create(made) }
                known[uuid] = made
                var sources: [SubvolumeUUID: TreeApplier.CloneSource] = [:]
                if let source { sources[source] = .init(try OwnedFD.open(known[source]!, O_RDONLY | O_DIRECTORY)) }
                applier = try TreeApplier(
                    try OwnedFD.open(made, O_RDONLY | O_DIRECTORY), uuid: uuid, sources: sources, decompresses: decompresses)
            }
            while try reader.next({ command, data in
                switch command {
                case .subvolume(let path, let uuid, _, _): try begin(path, uuid, from: nil)
                case .snapshot(let path, let uuid, _, let source, _, _): try begin(path, uuid, from: source)
                default: try applier?.apply(command, data, at: 0)
                }
            }) != nil {}
            try Subvolume.makeReadOnly(made)
        }
    }
}
