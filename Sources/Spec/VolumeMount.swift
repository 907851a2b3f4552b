/// A volume in a task: `NAME:/path`, or `NAME:/path:ro`.
public struct VolumeMount: Written {
    public let volume: String
    /// Absolute path inside.
    public let path: String
    public let readOnly: Bool

    public static let form = TextForm("a volume and a path", pattern: "^[^:]+:/[^:]*(:[a-z]+)*$")

    public init(volume: String, path: String, readOnly: Bool) {
        self.volume = volume
        self.path = path
        self.readOnly = readOnly
    }

    public init(parsing text: String) throws(FieldFault) {
        let fault = FieldFault("", "'\(text)' is no volume for a task; write NAME:/path or NAME:/path:ro")
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (2...3).contains(parts.count), Names.isVolume(parts[0]), parts.count == 2 || ["ro", "rw"].contains(parts[2]) else {
            throw fault
        }
        let components = parts[1].split(separator: "/")
        guard parts[1].hasPrefix("/"), !components.isEmpty, !components.contains(where: { $0 == ".." || $0 == "." }),
            parts[1].utf8.allSatisfy({ $0 >= 32 && $0 != 127 })
        else { throw fault }
        self.init(volume: parts[0], path: "/" + components.joined(separator: "/"), readOnly: parts.count == 3 && parts[2] == "ro")
    }

    private enum Key: CodingKey {
        case volume, path, readOnly
    }

    /// Agents of version 0.1.0 wrote an object for each into the files of tasks.
    public init(from decoder: any Decoder) throws {
        guard let object = try? decoder.container(keyedBy: Key.self) else {
            try self.init(parsing: try decoder.singleValueContainer().decode(String.self), for: decoder)
            return
        }
        let (volume, path) = (try object.decode(String.self, forKey: .volume), try object.decode(String.self, forKey: .path))
        let suffix = try object.decode(Bool.self, forKey: .readOnly) ? ":ro" : ""
        try self.init(parsing: "\(volume):\(path)\(suffix)", for: decoder)
    }

    public var description: String { "\(volume):\(path)\(readOnly ? ":ro" : "")" }
}
