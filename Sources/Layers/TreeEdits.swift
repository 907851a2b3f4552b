/// One step from one tree to another, by names that are bytes.
public struct TreeEdit: Sendable {
    public enum Change: Sendable {
        /// The name, and all below it, is gone.
        case removed
        /// The name is new, or what it stands for is.
        case present(TreeNode)
        /// The name is a further one of the file with the given first name.
        case linked(to: [UInt8])
    }

    /// Without a leading slash; empty for the root.
    public let path: [UInt8]
    public let change: Change
}

extension Tree {
    /// What makes another tree this one: first what is removed, then what is new or changed, in the order of the tree.
    ///
    /// Of a file with several names all are given when one of them is new or the file changed.
    public func edits(from old: Tree) -> [TreeEdit] {
        let (before, after) = (TreePaths(old), TreePaths(self))
        var oldNodes = [Int?](repeating: nil, count: count)
        // Of the old tree's nodes, whether there is one at the same path, and whether that is a directory.
        var (isHere, isDirectory) = (
            [Bool](repeating: false, count: old.count), [Bool](repeating: false, count: old.count)
        )
        forEachPair(with: old) { other, own in
            oldNodes[own] = other
            isHere[other] = true
            isDirectory[other] = nodes.isDirectory(own)
        }
        func isChanged(_ index: Int) -> Bool {
            guard let other = oldNodes[index] else { return true }
            return !nodes.isEqual(index, old.nodes, other) && !nodes[index].isSame(as: old.nodes[other])
                // Their own names are the same.
                || !(after.isAlone(index) && before.isAlone(other))
                    && after.names(of: index).map { after.path($0) } != before.names(of: other).map { before.path($0) }
        }
        var edits: [TreeEdit] = []
        // Everything below a directory goes with it.
        for index in old.nodes.indices where !isHere[index] {
            let parent = before.parent(index)
            guard isDirectory[parent] else { continue }
            edits.append(TreeEdit(path: before.path(index), change: .removed))
        }
        for index in nodes.indices {
            let names = after.names(of: index)
            guard names.contains(where: isChanged) else { continue }
            let isFirst = names[0] == index
            edits.append(
                TreeEdit(path: after.path(index), change: isFirst ? .present(nodes[index]) : .linked(to: after.path(names[0]))))
        }
        return edits
    }
}

extension TreeNode {
    /// Whether it is the same but for its name and for what lies below it.
    fileprivate func isSame(as other: TreeNode) -> Bool {
        kind == other.kind && mode == other.mode && user == other.user && group == other.group && seconds == other.seconds
            && nanoseconds == other.nanoseconds && attributes == other.attributes
    }
}
