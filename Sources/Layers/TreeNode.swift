/// One name in a layer's tree, with what a program inside can see of it (docs/layer-format.md).
public struct TreeNode: Sendable {
    public enum Kind: Sendable, Equatable {
        case file(size: UInt64, content: ContentDigest)
        case directory
        case link(target: [UInt8])
        /// `c` or `b`.
        case device(type: UInt8, major: UInt32, minor: UInt32)
        /// `p` for a FIFO, `s` for a socket.
        case special(type: UInt8)
    }

    public struct Attribute: Sendable, Hashable {
        public let name: [UInt8]
        public let value: [UInt8]
    }

    /// Empty for the root.
    public var name: [UInt8]
    public var kind: Kind
    /// Permission bits with set-id and sticky bits.
    public var mode: UInt32
    public var user: UInt32
    public var group: UInt32
    /// Modification time since 1970.
    public var seconds: Int64
    public var nanoseconds: UInt32
    /// Sorted by name.
    public var attributes: [Attribute]
    /// Where it is on this pool; no part of the tree's identity.
    var inode: UInt64
    /// Whether the file had further names when it was read.
    var isLinked: Bool
    /// How many nodes follow that lie below this one.
    var descendants = 0

    /// The place of another subvolume in a snapshot, which has none of it: an empty directory that says nothing of when and by whom it
    /// is looked at.
    static func placeholder(_ name: [UInt8]) -> TreeNode {
        TreeNode(
            name: name, kind: .directory, mode: 0o755, user: 0, group: 0, seconds: 0, nanoseconds: 0, attributes: [],
            inode: UInt64(TreeReader.placeholderInode), isLinked: false)
    }

    /// As layers' identities have it: `f`, `d`, `l`, `c`, `b`, `p`, `s`.
    var type: UInt8 {
        switch kind {
        case .file: UInt8(ascii: "f")
        case .directory: UInt8(ascii: "d")
        case .link: UInt8(ascii: "l")
        case .device(let type, _, _), .special(let type): type
        }
    }
}
