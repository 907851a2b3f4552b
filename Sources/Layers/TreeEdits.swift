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
        let oldIndices = Dictionary(uniqueKeysWithValues: before.paths.enumerated().map { ($1, $0) })
        let newIndices = Dictionary(uniqueKeysWithValues: after.paths.enumerated().map { ($1, $0) })
        func isChanged(_ index: Int) -> Bool {
            guard let other = oldIndices[after.paths[index]] else { return true }
            return !nodes[index].isSame(as: old.nodes[other])
                || after.names(of: index).map { after.paths[$0] } != before.names(of: other).map { before.paths[$0] }
        }
        var edits: [TreeEdit] = []
        for (index, path) in before.paths.enumerated() where newIndices[path] == nil {
            // What is below something that is gone, or no directory any more, goes with it.
            guard let parent = newIndices[before.paths[before.parents[index]]], nodes[parent].kind == .directory else { continue }
            edits.append(TreeEdit(path: path, change: .removed))
        }
        for (index, path) in after.paths.enumerated() {
            let names = after.names(of: index)
            guard names.contains(where: isChanged) else { continue }
            let isFirst = names[0] == index
            edits.append(TreeEdit(path: path, change: isFirst ? .present(nodes[index]) : .linked(to: after.paths[names[0]])))
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
