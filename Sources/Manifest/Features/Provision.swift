import Spec

/// Something an image can have, that one feature makes and another may need.
public enum Provision: Sendable, Hashable, Comparable, CustomStringConvertible {
    case path(String)
    case user(String)
    case group(String)
    /// A systemd unit's file.
    case unit(String)
    case package(String)
    /// What the image says of its tasks: "command", "environment variable LANG".
    case setting(String)

    public var description: String {
        switch self {
        case .path(let path): "the path \(path)"
        case .user(let name): "the user \(name)"
        case .group(let name): "the group \(name)"
        case .unit(let name): "the unit \(name)"
        case .package(let name): "the package \(name)"
        case .setting(let name): "the \(name)"
        }
    }

    /// The unit that a file with this path defines.
    static func unit(at path: String) -> Provision? {
        for folder in [
            "/etc/systemd/system/", "/usr/lib/systemd/system/", "/usr/local/lib/systemd/system/", "/lib/systemd/system/",
        ]
        where path.hasPrefix(folder) {
            let name = String(path.dropFirst(folder.utf8.count))
            if !name.contains("/"), TextForm.unit.fault(name, "") == nil { return .unit(name) }
        }
        return nil
    }

    /// A path, and the unit it defines if it is one's.
    static func paths(_ path: String) -> [Provision] {
        [.path(path)] + (unit(at: path).map { [$0] } ?? [])
    }

    /// An owner given by name; digits need nobody.
    static func owners(_ owner: String, _ group: String) -> [Provision] {
        (UInt32(owner) == nil && owner != "root" ? [.user(owner)] : [])
            + (UInt32(group) == nil && group != "root" ? [.group(group)] : [])
    }
}
