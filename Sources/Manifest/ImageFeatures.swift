/// The features of an image, one reader each.
extension ImageFile {
    static func directory(_ node: YAMLNode) throws(ManifestError) -> ImageTarget.Directory {
        let mapping = try node.mapping("a directory", keys: ["path", "mode", "owner", "group"])
        return .init(
            path: try path(mapping), mode: try mode(mapping, default: 0o755), owner: try account(mapping, "owner"),
            group: try account(mapping, "group"), place: node.place)
    }

    static func file(_ node: YAMLNode) throws(ManifestError) -> ImageTarget.File {
        let mapping = try node.mapping("a file", keys: ["path", "source", "text", "mode", "owner", "group"])
        return .init(
            path: try path(mapping), content: try content(mapping, node), mode: try mode(mapping, default: 0o644),
            owner: try account(mapping, "owner"), group: try account(mapping, "group"), place: node.place)
    }

    static func symlink(_ node: YAMLNode) throws(ManifestError) -> ImageTarget.Symlink {
        let mapping = try node.mapping("a symlink", keys: ["path", "target"])
        let target = try mapping.required("target").string("'target'")
        return .init(path: try path(mapping), target: target, place: node.place)
    }

    static func group(_ node: YAMLNode) throws(ManifestError) -> ImageTarget.Group {
        let mapping = try node.mapping("a group", keys: ["name", "gid"])
        return .init(
            name: try accountName(mapping.required("name")),
            gid: try number(mapping, "gid"), place: node.place)
    }

    static func user(_ node: YAMLNode) throws(ManifestError) -> ImageTarget.User {
        let mapping = try node.mapping(
            "a user", keys: ["name", "uid", "group", "groups", "home", "shell", "comment"])
        let name = try accountName(mapping.required("name"))
        var groups: [String] = []
        if let node = mapping["groups"] {
            for entry in try node.list("'groups'") { groups.append(try accountName(entry)) }
        }
        var group: String?
        if let node = mapping["group"] { group = try accountName(node) }
        return .init(
            name: name, uid: try number(mapping, "uid"), group: group, groups: groups,
            home: try field(mapping, "home") ?? "/home/\(name)", shell: try field(mapping, "shell") ?? "/bin/sh",
            comment: try field(mapping, "comment") ?? "", place: node.place)
    }

    static func systemd(_ node: YAMLNode, into target: inout ImageTarget) throws(ManifestError) {
        let mapping = try node.mapping("'systemd'", keys: ["units", "enable", "disable", "mask"])
        if let node = mapping["units"] {
            for entry in try node.list("'units'") {
                let unit = try entry.mapping("a unit", keys: ["name", "source", "text", "enable"])
                var enable = false
                if let node = unit["enable"] { enable = try node.boolean("'enable'") }
                target.units.append(
                    .init(
                        name: try unitName(unit.required("name")), content: try content(unit, entry), enable: enable,
                        place: entry.place))
            }
        }
        target.enabledUnits = try units(mapping, "enable")
        target.disabledUnits = try units(mapping, "disable")
        target.maskedUnits = try units(mapping, "mask")
    }

    private static func units(
        _ mapping: YAMLMapping, _ key: String
    ) throws(ManifestError) -> [ImageTarget.UnitReference] {
        guard let node = mapping[key] else { return [] }
        var units: [ImageTarget.UnitReference] = []
        for entry in try node.list("'\(key)'") { units.append(.init(name: try unitName(entry), place: entry.place)) }
        return units
    }

    /// systemd.unit(5): a name, perhaps an instance, and a type.
    private static func unitName(_ node: YAMLNode) throws(ManifestError) -> String {
        let name = try node.string("a unit's name")
        let types = ["service", "socket", "target", "timer", "path", "mount", "automount", "slice", "swap"]
        let characters = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || ":-_.\\@".utf8.contains(byte)
        }
        guard characters, name.utf8.count <= 255, !name.hasPrefix("-"), !name.hasPrefix("."),
            let dot = name.lastIndex(of: "."), dot != name.startIndex, types.contains(String(name[name.index(after: dot)...]))
        else { throw node.fail("'\(name)' is not a unit's name, like hello.service") }
        return name
    }

    /// An absolute path without `.`, `..`, or a slash at its end.
    private static func path(_ mapping: YAMLMapping) throws(ManifestError) -> String {
        let node = try mapping.required("path")
        let path = try node.string("'path'")
        let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        guard path.hasPrefix("/"), path.utf8.count < 4096, !path.utf8.contains(0),
            parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count < 256 })
        else { throw node.fail("'\(path)' must be an absolute path without '.', '..' or a slash at its end") }
        return path
    }

    private static func content(_ mapping: YAMLMapping, _ node: YAMLNode) throws(ManifestError) -> ImageTarget.Content {
        switch (mapping["text"], mapping["source"]) {
        case (let text?, nil): return .text(try text.string("'text'"))
        case (nil, let source?):
            let path = try source.string("'source'")
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            guard !path.hasPrefix("/"), !parts.contains(".."), !path.isEmpty else {
                throw source.fail("'\(path)' must be a path below the folder of this file, without '..'")
            }
            return .source(path, source.place)
        default: throw node.fail("\(mapping.what) needs either 'source' or 'text'")
        }
    }

    /// Octal digits: `0644`, `4755`.
    private static func mode(_ mapping: YAMLMapping, default value: UInt32) throws(ManifestError) -> UInt32 {
        guard let node = mapping["mode"] else { return value }
        let text = try node.string("'mode'")
        guard let mode = UInt32(text, radix: 8), mode <= 0o7777, (3...5).contains(text.utf8.count) else {
            throw node.fail("'mode' must be octal digits like 0644, not '\(text)'")
        }
        return mode
    }

    private static func account(_ mapping: YAMLMapping, _ key: String) throws(ManifestError) -> String {
        guard let node = mapping[key] else { return "root" }
        let text = try node.string("'\(key)'")
        return UInt32(text) != nil ? text : try accountName(node)
    }

    /// A user's or group's name as useradd(8) allows it.
    private static func accountName(_ node: YAMLNode) throws(ManifestError) -> String {
        let name = try node.string("a name")
        let valid = name.utf8.enumerated().allSatisfy { index, byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "_")
                || index > 0 && ((UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-"))
        }
        guard valid, (1...32).contains(name.utf8.count) else {
            throw node.fail("'\(name)' can't be a user's or group's name: use a-z, 0-9, '_' and '-', 32 at most")
        }
        return name
    }

    private static func number(_ mapping: YAMLMapping, _ key: String) throws(ManifestError) -> UInt32? {
        guard let node = mapping[key] else { return nil }
        return try node.integer("'\(key)'", in: 1...65533)
    }

    /// A field of passwd(5): no colons, no control characters.
    private static func field(_ mapping: YAMLMapping, _ key: String) throws(ManifestError) -> String? {
        guard let node = mapping[key] else { return nil }
        let text = try node.string("'\(key)'")
        guard text.unicodeScalars.allSatisfy({ $0 != ":" && $0.value >= 32 && $0.value != 127 }) else {
            throw node.fail("'\(key)' can't contain ':' or control characters")
        }
        return text
    }
}
