import CLinux
import Glibc
import Linux

/// All extended attributes of a file, sorted by name, but for Btrfs' own properties.
///
/// - Parameters:
///   - path: for messages.
///   - properties: whether these are among them, as in ids that were made before they were left out.
///   - meter: counts names and values.
func readAttributes(
    _ file: ExtendedAttributes, properties: Bool = false, _ meter: inout TreeMeter, _ path: () -> String
) throws -> [TreeNode.Attribute] {
    do {
        let names = try file.names()
        if names.isEmpty { return [] }
        var found: [TreeNode.Attribute] = []
        for name in names where properties || !TreeNode.Attribute.isProperty(name) {
            // Gone meanwhile.
            guard let value = try file.value(of: name) else { continue }
            try meter.addBytes(name.count + value.count)
            found.append(.init(name: name, value: value))
        }
        return found.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    } catch let error as SystemError {
        throw SystemError("\(error.operation) of", path(), code: error.code)
    }
}

extension TreeNode.Attribute {
    /// True if it says how Btrfs stores a file (`btrfs property`, `chattr +c`), not what is in it.
    var isProperty: Bool { Self.isProperty(name) }

    static func isProperty(_ name: [UInt8]) -> Bool { name.starts(with: "btrfs.".utf8) }
}
