import AgentAPI
import FoundationEssentials
import Spec

/// Which fields of two descriptions of a job differ.
enum JobDifference {
    /// Those that a new job sets are named against one with defaults only.
    static func fields(from old: JobVersion?, to new: JobSpec, layer: String) throws -> [JobChange.Field] {
        let before = try old.map { flatten(try tree(of: $0.spec)) } ?? [:]
        let after = flatten(try tree(of: new))
        var fields = Set(before.keys).union(after.keys).sorted().compactMap { path in
            before[path] == after[path] ? nil : JobChange.Field(path: path, from: before[path], to: after[path])
        }
        if let old, old.layer != layer {
            fields.append(.init(path: "layer", from: String(old.layer.prefix(12)), to: String(layer.prefix(12))))
        }
        return fields
    }

    private static func tree(of spec: JobSpec) throws -> JSONTree {
        try JSONDecoder().decode(JSONTree.self, from: JSONEncoder().encode(spec))
    }

    /// Values by their paths.
    private static func flatten(_ tree: JSONTree, _ path: String = "") -> [String: String] {
        switch tree {
        case .null: [:]
        case .value(let text): [path: text]
        case .list(let entries):
            entries.enumerated().reduce(into: [:]) { $0.merge(flatten($1.element, "\(path)[\($1.offset)]")) { $1 } }
        case .object(let entries):
            entries.reduce(into: [:]) { $0.merge(flatten($1.value, path.isEmpty ? $1.key : "\(path).\($1.key)")) { $1 } }
        }
    }
}

/// Any JSON value.
private enum JSONTree: Decodable {
    case null
    case value(String)
    case list([JSONTree])
    case object([String: JSONTree])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let entries = try? container.decode([String: JSONTree].self) {
            self = .object(entries)
        } else if let entries = try? container.decode([JSONTree].self) {
            self = .list(entries)
        } else if let flag = try? container.decode(Bool.self) {
            self = .value("\(flag)")
        } else if let number = try? container.decode(Int.self) {
            self = .value("\(number)")
        } else if let number = try? container.decode(Double.self) {
            self = .value("\(number)")
        } else {
            self = .value(try container.decode(String.self))
        }
    }
}
