import FoundationEssentials
import Spec

/// An entry of an action's key as people read it: what kind of thing it is, what it is called, and what is said of it.
///
/// Features are in the key as JSON: `["feature", {"file": {"_0": {"path": "/etc/motd", …}}}]`.
struct InputText: Equatable {
    let kind: String
    let name: String
    /// By key, as text.
    let details: [String: String]

    init(_ entry: [String]) {
        let (kind, name) = (entry.first ?? "", entry.dropFirst().first ?? "")
        let value = try? JSONDecoder().decode(JSONValue.self, from: Data(name.utf8))
        switch (kind, value) {
        case ("feature", .object(let feature)?) where feature.count == 1:
            let (content, fields) = (feature.first!.key, Self.fields(feature.first!.value))
            self = Self.feature(content, fields)
        case ("debian", let value?), ("tarball", let value?), ("oci", let value?):
            self.init(kind: "base", name: kind, details: Self.fields(value))
        case ("dish.action", _):
            self.init(kind: "builder", name: "version", details: ["": name])
        default:
            self.init(kind: kind, name: name, details: ["": entry.dropFirst(2).joined(separator: " ")])
        }
    }

    private init(kind: String, name: String, details: [String: String]) {
        self.kind = kind
        self.name = name
        self.details = details
    }

    /// What it has that another one, of the same kind and name, hasn't or has differently.
    func text(besides other: InputText? = nil) -> String {
        details.filter { other?.details[$0.key] != $0.value }.sorted { $0.key < $1.key }.map { key, value in
            key.isEmpty ? value : "\(key) \(value)"
        }.joined(separator: ", ")
    }

    private static let kinds = [
        "packageRemoval": "removed package", "removal": "removed path", "extraction": "extraction", "access": "SSH access",
        "unitSwitch": "unit", "setting": "task setting", "requirement": "requirement", "run": "run step",
        "firstBoot": "first boot", "python": "Python environment",
    ]

    private static func feature(_ content: String, _ fields: [String: String]) -> InputText {
        var fields = fields
        let kind = kinds[content] ?? content
        if let position = fields.removeValue(forKey: "position").flatMap({ Int($0) }) {
            return InputText(kind: kind, name: "\(position + 1)", details: fields)
        }
        for key in ["path", "name", "selector", "package", "unit", "user", "image", "source"] {
            if let name = fields.removeValue(forKey: key) { return InputText(kind: kind, name: name, details: fields) }
        }
        // A task's command, user and the like have one value that is named by what it is.
        let name = fields.keys.sorted().joined(separator: " ")
        return InputText(kind: kind, name: name, details: fields)
    }

    /// All values that are no mappings, each by the last key that leads to it.
    private static func fields(_ value: JSONValue, key: String = "") -> [String: String] {
        guard case .object(let object) = value else { return [key: value.text(isMode: key == "mode")] }
        var fields: [String: String] = [:]
        for (inner, value) in object {
            // Values of enumerations have no names of their own.
            fields.merge(Self.fields(value, key: inner.hasPrefix("_") ? key : inner)) { $1 }
        }
        return fields.isEmpty && !key.isEmpty ? [key: "empty"] : fields
    }
}

/// Any JSON.
enum JSONValue: Decodable, Equatable {
    case object([String: JSONValue])
    case list([JSONValue])
    case string(String)
    case number(Double)
    case bool(Bool)
    case null

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .list(value)
        } else if let value = try? container.decode([String: JSONValue].self) {
            self = .object(value)
        } else {
            self = .null
        }
    }

    /// - Parameter isMode: whether a number is one of permission bits.
    func text(isMode: Bool = false) -> String {
        switch self {
        case .object(let object):
            object.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text())" }.joined(separator: ", ")
        case .list(let list): list.map { $0.text() }.joined(separator: " ")
        case .string(let text): text
        case .number(let number):
            number == number.rounded() && abs(number) < 0x1p53
                ? isMode ? "0" + String(Int64(number), radix: 8) : "\(Int64(number))" : "\(number)"
        case .bool(let value): "\(value)"
        case .null: "nothing"
        }
    }
}
