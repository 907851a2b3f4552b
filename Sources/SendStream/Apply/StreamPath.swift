/// A path of a command, taken apart: nothing that could lead anywhere but down from the root passes.
struct StreamPath {
    /// Of the directory it is in; empty for the root.
    let parent: ArraySlice<UInt8>
    /// Empty for the root itself.
    let name: ArraySlice<UInt8>

    /// - Throws: `CommandFault` `.refused` for an absolute path, `.`, `..`, empty or overlong components.
    init(_ path: [UInt8]) throws(CommandFault) {
        let slash = UInt8(ascii: "/")
        let dot = UInt8(ascii: ".")
        var start = 0
        var last = 0
        for index in 0...path.count where !path.isEmpty && (index == path.count || path[index] == slash) {
            let part = path[start..<index]
            guard !part.isEmpty, part.count <= 255, part != [dot], part != [dot, dot] else {
                throw CommandFault(.refused, "the path '\(String(decoding: path, as: UTF8.self))' may lead out of the tree")
            }
            last = start
            start = index + 1
        }
        parent = last == 0 ? [] : path[..<(last - 1)]
        name = path[last...]
    }
}
