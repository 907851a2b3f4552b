import Testing

@testable import Layers

/// Trees are packed; what comes out is what was put in.
@Suite struct TreeNodesTests {
    private func node(_ number: Int, _ random: inout some RandomNumberGenerator) -> TreeNode {
        func bytes(_ count: ClosedRange<Int>) -> [UInt8] {
            (0..<Int.random(in: count, using: &random)).map { _ in UInt8.random(in: 1...255, using: &random) }
        }
        let kind: TreeNode.Kind =
            switch Int.random(in: 0...5, using: &random) {
            case 0: .directory
            case 1: .link(target: bytes(1...4095))
            case 2: .device(type: UInt8(ascii: "b"), major: .random(in: 0 ... .max, using: &random), minor: 1)
            case 3: .special(type: UInt8(ascii: "p"))
            default:
                .file(
                    size: .random(in: 0 ... .max, using: &random),
                    content: ContentDigest(ContentHash.bytes([UInt8(number & 255)])))
            }
        var node = TreeNode(
            name: bytes(1...255), kind: kind, mode: .random(in: 0...0o7777, using: &random),
            user: .random(in: 0 ... .max, using: &random), group: 5, seconds: .random(in: Int64.min ... .max, using: &random),
            nanoseconds: .random(in: 0...999_999_999, using: &random), attributes: [],
            inode: .random(in: 0 ... .max, using: &random), isLinked: .random(using: &random))
        for count in 0..<Int.random(in: 0...2, using: &random) {
            node.attributes.append(.init(name: [UInt8(count)] + bytes(1...3), value: bytes(0...300)))
        }
        return node
    }

    private func isSame(_ one: TreeNode, _ other: TreeNode) -> Bool {
        one.name == other.name && one.kind == other.kind && one.mode == other.mode && one.user == other.user
            && one.group == other.group && one.seconds == other.seconds && one.nanoseconds == other.nanoseconds
            && one.attributes == other.attributes && one.inode == other.inode && one.isLinked == other.isLinked
            && one.descendants == other.descendants
    }

    @Test func anyNodeComesBackAndItsFieldsAreThoseOfTheWhole() {
        var random = SystemRandomNumberGenerator()
        let nodes = (0..<9000).map { node($0, &random) }
        var packed = TreeNodes(nodes)
        #expect(packed.count == nodes.count)
        for (index, node) in nodes.enumerated() {
            #expect(isSame(packed[index], node), "\(index): \(node)")
            #expect(
                packed.inode(index) == node.inode && packed.type(index) == node.type && packed.isLinked(index) == node.isLinked
                    && packed.time(index) == (node.seconds, node.nanoseconds) && packed.owner(index) == (node.user, node.group)
                    && packed.attributes(index) == node.attributes && packed.content(index)?.size == node.size
                    && packed.withName(index) { $0.elementsEqual(node.name) })
            #expect(packed.isEqual(index, packed, index) == node.attributes.isEmpty)
        }
        let digest = ContentDigest(ContentHash.bytes([1, 2, 3]))
        for (index, node) in nodes.enumerated() {
            switch node.kind {
            case .file(let size, _):
                packed.setDigest(digest, at: index)
                #expect(packed[index].kind == .file(size: size, content: digest))
            case .directory:
                packed.setDescendants(index, at: index)
                #expect(packed[index].descendants == index && packed.descendants(index) == index)
            default: #expect(packed.descendants(index) == 0)
            }
        }
        var copy = TreeNodes(like: packed)
        copy.append(100..<8000, of: packed)
        #expect((100..<8000).allSatisfy { isSame(copy[$0 - 100], packed[$0]) })
    }
}
