import CLinux
import Glibc
import Linux

/// All extended attributes of a file, sorted by name.
///
/// - Parameters:
///   - shown: the path for messages.
///   - meter: counts names and values.
func readAttributes(
    _ path: [UInt8], follow: Bool, _ shown: [UInt8], _ meter: inout TreeMeter
) throws -> [TreeNode.Attribute] {
    var list = [UInt8](repeating: 0, count: 1024)
    let length = try grow(&list, "list attributes of", shown) { buffer in
        withPath(path) { dish_listxattr($0, buffer.baseAddress, UInt(buffer.count), follow ? 1 : 0) }
    }
    if length == 0 { return [] }
    var found: [TreeNode.Attribute] = []
    for name in list[..<length].split(separator: 0).map(Array.init) {
        var value = [UInt8](repeating: 0, count: 256)
        let size = try grow(&value, "read attribute of", shown) { buffer in
            withPath(path) { path in
                withPath(name) { name in
                    dish_getxattr(path, name, buffer.baseAddress, UInt(buffer.count), follow ? 1 : 0)
                }
            }
        }
        try meter.addBytes(name.count + size)
        found.append(.init(name: name, value: Array(value[..<size])))
    }
    return found.sorted { $0.name.lexicographicallyPrecedes($1.name) }
}

/// Calls with a larger buffer until it is large enough.
private func grow(
    _ buffer: inout [UInt8], _ operation: String, _ path: [UInt8],
    _ call: (UnsafeMutableBufferPointer<CChar>) -> Int
) throws -> Int {
    while true {
        let count = buffer.withUnsafeMutableBytes { call($0.bindMemory(to: CChar.self)) }
        if count >= 0 { return count }
        guard errno == ERANGE, buffer.count < 1 << 20 else { throw SystemError(operation, text(path)) }
        buffer = [UInt8](repeating: 0, count: buffer.count * 8)
    }
}
