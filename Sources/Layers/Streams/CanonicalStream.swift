import Btrfs
import CLinux
import Glibc
import Linux
import SendStream

/// Writes the canonical stream of a tree against another one (docs/send-stream.md): the same two trees give the same bytes,
/// wherever and however they are stored.
final class CanonicalStream<Sink: ByteSink> {
    /// One side: a tree and the subvolume it is in.
    final class Side {
        let id: LayerID
        let paths: TreePaths
        let root: OwnedFD

        init(_ id: LayerID, _ tree: Tree, root: String) throws {
            self.id = id
            paths = TreePaths(tree)
            self.root = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        }

        func open(_ path: [UInt8]) throws -> OwnedFD { try TreeReader.openFile(path, below: root.number) }
    }

    /// Streams have it where the kernel has the transaction that made the subvolume.
    static var transaction: UInt64 { 1 }
    /// Protocol 2: holes can be made, and writes are as long as the file system's own.
    static var version: UInt32 { 2 }
    /// `FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE` of linux/falloc.h.
    private static var punchHole: UInt32 { 3 }
    /// What a directory gives to what is made in it.
    private static var inherited: [[UInt8]] { ["btrfs.compression", "system.posix_acl_default"].map { Array($0.utf8) } }

    private var writer: StreamWriter<Sink>
    private let new: Side
    private let old: Side?
    private let plan: StreamPlan
    private let proves: Bool
    /// Directories of the new tree whose entries change, which changes their times.
    private var isTouched: [Bool]
    /// Directories of which inherited attributes were taken away for as long as things are made in them.
    private var isStripped: [Bool]
    private var lastPath: (index: Int, path: [UInt8])?

    /// - Parameter proves: whether everything is read that the kernel says is shared, and compared.
    init(_ sink: Sink, new: Side, old: Side?, proves: Bool) {
        writer = StreamWriter(sink, version: Self.version)
        plan = StreamPlan(from: old?.paths ?? TreePaths(.nothing), to: new.paths)
        isTouched = Array(repeating: false, count: new.paths.tree.count)
        isStripped = isTouched
        self.proves = proves
        self.new = new
        self.old = old
    }

    /// Writes the whole stream and returns the sink.
    func write(note: [UInt8]?) throws -> Sink {
        try writer.begin()
        let name = Array(new.id.hex.utf8)
        if let old {
            try writer.write(
                .snapshot(
                    path: name, uuid: new.id.streamUUID, transaction: Self.transaction, source: old.id.streamUUID,
                    sourceTransaction: Self.transaction, note: note))
        } else {
            try writer.write(
                .subvolume(path: name, uuid: new.id.streamUUID, transaction: Self.transaction, note: note))
        }
        touchDirectories()
        try strip()
        let prefix = movePrefix()
        try moveAway(prefix)
        try remove()
        for index in 1..<max(1, nodes.count) { try make(index, prefix) }
        for index in nodes.indices where nodes.isDirectory(index) { try finish(directory: index) }
        try writer.write(.end)
        try writer.flush()
        return writer.sink
    }

    private var nodes: TreeNodes { plan.new.tree.nodes }

    /// A node's path, which several commands in a row have.
    private func newPath(_ index: Int) -> [UInt8] {
        if let lastPath, lastPath.index == index { return lastPath.path }
        let path = plan.new.path(index)
        lastPath = (index, path)
        return path
    }

    private func oldPath(_ index: Int) -> [UInt8] { plan.old.path(index) }
    private func oldNode(_ index: Int) -> TreeNode { plan.old.tree.nodes[index] }

    /// The old node that a node of the new tree is, kept or moved.
    private func source(_ index: Int) -> Int? {
        switch plan.origin(index) {
        case .kept(let old), .moved(let old): old
        case .made: nil
        }
    }

    private func isKept(_ index: Int) -> Bool { plan.isKept(index) }

    // MARK: Names

    private func touchDirectories() {
        // By old node: that of the new tree that it is, and 0, which the root is, for none.
        var kept = [UInt32](repeating: 0, count: plan.isGone.count)
        for index in nodes.indices {
            if case .kept(let before) = plan.origin(index) { kept[before] = UInt32(index) }
            if index > 0, !isKept(index) { isTouched[plan.new.parent(index)] = true }
        }
        for index in plan.isGone.indices.dropFirst() {
            let hasMoved = !plan.isGone[index] && kept[index] == 0
            guard plan.isGone[index] || hasMoved else { continue }
            let parent = plan.old.parent(index)
            if kept[parent] > 0 || parent == 0 && isKept(0) { isTouched[Int(kept[parent])] = true }
            // What moves goes through the root.
            if hasMoved { isTouched[0] = true }
        }
    }

    /// Takes from directories that stay what things made in them would inherit; it is set again at the end.
    private func strip() throws {
        for index in nodes.indices.dropFirst() {
            guard case .made = plan.origin(index) else { continue }
            let parent = plan.new.parent(index)
            guard !isStripped[parent], case .kept(let before) = plan.origin(parent) else { continue }
            isStripped[parent] = true
            for attribute in plan.old.tree.nodes.attributes(before) where Self.inherited.contains(attribute.name) {
                try writer.write(.removeAttribute(path: newPath(parent), name: attribute.name))
            }
        }
    }

    /// What the names of moving files begin with while they wait in the root: nothing in either root does.
    private func movePrefix() -> [UInt8] {
        var prefix = Array(".dish-move-".utf8)
        func isTaken(_ tree: Tree) -> Bool {
            tree.children(of: 0).contains { tree.nodes.withName($0) { $0.starts(with: prefix) } }
        }
        while isTaken(plan.old.tree) || isTaken(plan.new.tree) { prefix.append(UInt8(ascii: "-")) }
        return prefix
    }

    private func moveAway(_ prefix: [UInt8]) throws {
        for index in nodes.indices {
            guard case .moved(let before) = plan.origin(index) else { continue }
            try writer.write(.rename(path: oldPath(before), to: prefix + Array(String(index).utf8)))
        }
    }

    private func remove() throws {
        for index in plan.isGone.indices.reversed() where plan.isGone[index] && index > 0 {
            let path = oldPath(index)
            try writer.write(
                plan.old.tree.nodes.isDirectory(index) ? .removeDirectory(path: path) : .unlink(path: path))
        }
    }

    /// Makes or changes one node; of a directory only its name.
    private func make(_ index: Int, _ prefix: [UInt8]) throws {
        let names = plan.new.isAlone(index) ? nil : plan.new.names(of: index)
        let isFirst = names.map { $0.first == index } ?? true
        switch plan.origin(index) {
        case .kept(let before):
            guard isFirst, !nodes.isDirectory(index), !nodes.isEqual(index, plan.old.tree.nodes, before) else { return }
            let hasNewContent = nodes[index].kind != oldNode(before).kind
            try removeAttributes(index, before)
            if hasNewContent { try content(index, like: before, .changed) }
            try attributes(index, before, hasNewContent: hasNewContent)
        case .moved(let before):
            try writer.write(.rename(path: prefix + Array(String(index).utf8), to: newPath(index)))
            try removeAttributes(index, before)
            try attributes(index, before, hasNewContent: false)
        case .made(let like):
            if let first = names?.first, !isFirst {
                return try writer.write(.link(path: newPath(index), existing: plan.new.path(first)))
            }
            try create(index)
            guard !nodes.isDirectory(index) else { return }
            if let size = nodes.content(index)?.size, size > 0 { try content(index, like: like, .empty) }
            try attributes(index, nil, hasNewContent: false)
        }
    }

    private func create(_ index: Int) throws {
        let path = newPath(index)
        let node = nodes[index]
        // Inode numbers in streams are the kernel's concern; 257 is the first that a file can have.
        let inode = UInt64(256 + index)
        switch node.kind {
        case .file: try writer.write(.makeFile(path: path, inode: inode))
        case .directory: try writer.write(.makeDirectory(path: path, inode: inode))
        case .link(let target): try writer.write(.makeSymlink(path: path, inode: inode, target: target))
        case .device(let type, let major, let minor):
            let format = type == UInt8(ascii: "c") ? S_IFCHR : S_IFBLK
            let device = UInt64(minor & 0xff) | UInt64(major) << 8 | UInt64(minor & ~0xff) << 12
            try writer.write(
                .makeNode(path: path, inode: inode, mode: UInt64(format | node.mode), device: device))
        case .special(let type):
            try writer.write(
                type == UInt8(ascii: "p") ? .makeFIFO(path: path, inode: inode) : .makeSocket(path: path, inode: inode))
        }
    }

    // MARK: Content

    private func content(_ index: Int, like: Int?, _ target: FileContent.Target) throws {
        guard let size = nodes.content(index)?.size else { return }
        let path = newPath(index)
        let file = try new.open(path)
        var oldSize: UInt64 = 0
        if let like, let content = plan.old.tree.nodes.content(like) { oldSize = content.size }
        let opened = try like.flatMap { try openOld($0) }
        var comparison = FileContent(
            file, size: size, old: opened?.number, oldSize: oldSize, target: target, path: text(path))
        var same: [Range<UInt64>] = []
        if target == .changed, let opened, min(size, oldSize) > UInt64(FileContent.window) {
            same = try ExtentMap(of: file, text(path)).shared(with: ExtentMap(of: opened.descriptor, text(path)))
        }
        let (sourcePath, source) = (like.map(oldPath), old?.id.streamUUID)
        try comparison.steps(same: same, proves: proves) { step in
            switch step {
            case .write(let offset, let data): try writer.write(.write(path: path, offset: offset), data: data)
            case .clone(let range):
                guard let sourcePath, let source else { return }
                try writer.write(
                    .clone(
                        path: path, offset: range.lowerBound, length: UInt64(range.count), source: source,
                        sourceTransaction: Self.transaction, sourcePath: sourcePath, sourceOffset: range.lowerBound))
            case .punch(let range):
                try writer.write(
                    .fallocate(
                        path: path, mode: Self.punchHole, offset: range.lowerBound,
                        length: UInt64(range.count)))
            case .truncate(let size): try writer.write(.truncate(path: path, size: size))
            }
        }
    }

    private final class OpenedFile {
        let descriptor: OwnedFD
        var number: CInt { descriptor.number }

        init(_ descriptor: consuming OwnedFD) { self.descriptor = descriptor }
    }

    private func openOld(_ index: Int) throws -> OpenedFile? {
        guard let old else { return nil }
        return OpenedFile(try old.open(oldPath(index)))
    }

    // MARK: Attributes

    private func finish(directory index: Int) throws {
        let before = source(index)
        if let before, !isTouched[index], !isStripped[index], nodes.isEqual(index, plan.old.tree.nodes, before) { return }
        if let before { try removeAttributes(index, before) }
        try attributes(index, before, hasNewContent: isTouched[index])
    }

    /// Removes the attributes that a node no longer has. It comes before its content: with that, the kernel takes capabilities away
    /// by itself.
    private func removeAttributes(_ index: Int, _ before: Int) throws {
        let left = nodes.attributes(index)
        for attribute in plan.old.tree.nodes.attributes(before) where !left.contains(where: { $0.name == attribute.name }) {
            // Stripped ones are gone already.
            if isStripped[index], Self.inherited.contains(attribute.name) { continue }
            try writer.write(.removeAttribute(path: newPath(index), name: attribute.name))
        }
    }

    /// Makes owner, mode, attributes and times what they are to be.
    ///
    /// - Parameters:
    ///   - before: the old node that it has them from; nil when it was just made.
    ///   - hasNewContent: whether its content was written or its entries changed.
    private func attributes(_ index: Int, _ before: Int?, hasNewContent: Bool) throws {
        let (node, path) = (nodes[index], newPath(index))
        let old = before.map(oldNode)
        let hasNewOwner = old.map { $0.user != node.user || $0.group != node.group } ?? true
        if hasNewOwner {
            try writer.write(.setOwner(path: path, user: UInt64(node.user), group: UInt64(node.group)))
        }
        var isLink = false
        if case .link = node.kind { isLink = true }
        // A new owner may take set-id bits away, and so may a write.
        let losesBits = hasNewOwner || hasNewContent && node.mode & 0o6000 != 0
        if !isLink, old.map({ $0.mode != node.mode || losesBits }) ?? true {
            try writer.write(.setMode(path: path, mode: UInt64(node.mode)))
        }
        let attributes = old?.attributes ?? []
        for attribute in node.attributes {
            let isThere = attributes.contains(attribute) && !(isStripped[index] && Self.inherited.contains(attribute.name))
            // Capabilities go with a write and with a new owner.
            let isLost = (hasNewContent || hasNewOwner) && attribute.name == Array("security.capability".utf8)
            if !isThere || isLost {
                try writer.write(.setAttribute(path: path, name: attribute.name, value: attribute.value))
            }
        }
        let hasNewTime = old.map { $0.seconds != node.seconds || $0.nanoseconds != node.nanoseconds } ?? true
        if hasNewTime || hasNewContent {
            let time = StreamCommand.Time(seconds: node.seconds, nanoseconds: node.nanoseconds)
            try writer.write(.setTimes(path: path, access: time, modification: time, change: time, birth: nil))
        }
    }
}

extension Tree {
    /// What a new subvolume is made from: not even its root's attributes are known.
    static let nothing = Tree(nodes: [
        TreeNode(
            name: [], kind: .special(type: 0), mode: 0, user: 0, group: 0, seconds: 0, nanoseconds: 0, attributes: [],
            inode: 0, isLinked: false)
    ])
}
