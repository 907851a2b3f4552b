import Glibc
import Layers
import Linux
public import Manifest

/// The names of a workspace's images in a pool: their labels, after the workspace's own name if it has one.
///
/// `WORKSPACE` may have a line `name: shop`; then `//web:app` is `shop//web:app` in the pool. Two workspaces without names of their own that
/// have images of the same label can't share a pool: the second is refused, unless it takes the label.
extension Workspace {
    /// The workspace's own name; nil for none.
    ///
    /// - Throws: `BuildError` for one that can't be a name.
    public var ownName: String? {
        get throws {
            let file = "\(root)/\(Self.marker)"
            guard Files.exists(file), !Files.isDirectory(file) else { return nil }
            for line in try Files.readText(file).split(whereSeparator: \.isNewline) {
                let words = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map { Self.trim($0) }
                guard words.count == 2, words[0] == "name" else { continue }
                guard Self.isName(words[1]) else {
                    throw BuildError(
                        .workspace,
                        "'\(words[1])' in \(file) can't be a workspace's name: use letters, digits, '-' and '_', 40 at most, a letter or digit first"
                    )
                }
                return words[1]
            }
            return nil
        }
    }

    private static func trim(_ text: Substring) -> String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" || $0 == "\"" || $0 == "'" }
        let rest = text.drop(while: isBlank)
        return String(rest.reversed().drop(while: isBlank).reversed())
    }

    private static func isName(_ text: String) -> Bool {
        func isPlain(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        return (1...40).contains(text.utf8.count) && text.utf8.first.map(isPlain) == true
            && text.utf8.allSatisfy { isPlain($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    /// The name of an image in a pool.
    public func name(of label: Label) throws -> String { try (ownName ?? "") + label.description }

    /// A label as people write it, with or without the workspace's own name before it.
    public func label(_ text: String, in folder: String?) throws -> Label? {
        guard let own = try ownName, text.hasPrefix("\(own)//") else { return Label(text, in: folder) }
        return Label(String(text.dropFirst(own.utf8.count)), in: folder)
    }

    /// Refuses to give a label to a layer when another workspace that is still there has it, for another layer.
    func requireOwn(_ label: Label, for layer: LayerID?, in pool: Pool) throws {
        let name = try name(of: label)
        guard let owner = try pool.workspace(ofLabel: name), owner != root, try layer == nil || pool.allNames()[name] != layer,
            // One that was moved or removed needs it no more.
            Files.exists("\(Workspace(at: owner).path(of: label.folder))/\(ImageFile.name)")
        else { return }
        throw BuildError(
            .workspace,
            "\(name) is the label of an image of the workspace at '\(owner)', which would lose it; give this workspace a name of its own (a line 'name: shop' in \(root)/\(Self.marker)), or take the label: --take-labels"
        )
    }
}
