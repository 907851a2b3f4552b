import AgentAPI
import Spec

/// Requests against schemas: the first fault is named by its field's path.
extension APISchema {
    /// - Parameter path: where the value is: `task.limits.memory`; empty for the body itself.
    /// - Throws: `AgentError` `.invalid` with the field's path. No value is repeated in it: it may be a secret.
    func check(_ value: JSONValue, at path: String = "") throws(AgentError) {
        switch (self, value) {
        case (.any, _), (.boolean, .boolean): return
        case (.text(let length), .text(let text)):
            let count = text.unicodeScalars.count
            guard length.contains(count) else {
                throw fault(path, "must have \(length.lowerBound) to \(length.upperBound) characters, not \(count)")
            }
            guard !text.utf8.contains(0) else { throw fault(path, "can't have a NUL character in it") }
        case (.word(let words), .text(let text)):
            guard words.contains(text) else { throw fault(path, "must be one of \(words.joined(separator: ", "))") }
        case (.integer(let range), .integer(let integer)):
            guard range.contains(integer) else {
                throw fault(path, "must be from \(range.lowerBound) to \(range.upperBound), not \(integer)")
            }
        case (.number(let range), .integer(let integer)): try check(Double(integer), range, path)
        case (.number(let range), .number(let number)): try check(number, range, path)
        case (.list(let element, let most), .list(let values)):
            guard values.count <= most else { throw fault(path, "can have \(most) elements at most, not \(values.count)") }
            for (index, value) in values.enumerated() { try element.check(value, at: "\(path)[\(index)]") }
        case (.table(let element, let most), .object(let values)):
            guard values.count <= most else { throw fault(path, "can have \(most) entries at most, not \(values.count)") }
            for (name, value) in values.sorted(by: { $0.key < $1.key }) {
                guard !name.utf8.contains(0) else { throw fault(path, "a name can't have a NUL character in it") }
                try element.check(value, at: join(path, name))
            }
        case (.object(let object), .object(let values)): try check(object, values, path)
        case (.setting(let kind), _):
            do { try kind.check(value) } catch {
                let isOfMe = error.path.isEmpty || path.isEmpty || error.path.hasPrefix("[")
                throw fault(isOfMe ? path + error.path : join(path, error.path), error.reason)
            }
        default: throw fault(path, "must be \(kind), not \(value.kind)\(value == .null ? "; leave it out" : "")")
        }
    }

    private func check(_ number: Double, _ range: ClosedRange<Double>, _ path: String) throws(AgentError) {
        guard range.contains(number) else { throw fault(path, "must be from \(range.lowerBound) to \(range.upperBound)") }
    }

    private func check(_ object: APIObject, _ values: [String: JSONValue], _ path: String) throws(AgentError) {
        for name in values.keys.sorted() where !object.fields.contains(where: { $0.name == name }) {
            throw fault(
                join(path, name),
                "there is no such field; there are \(object.fields.map(\.name).sorted().joined(separator: ", "))")
        }
        for field in object.fields {
            if let value = values[field.name] {
                try field.schema.check(value, at: join(path, field.name))
            } else if field.isRequired {
                throw fault(join(path, field.name), "it is missing")
            }
        }
        guard object.oneOf.isEmpty || object.oneOf.filter({ values[$0] != nil }).count == 1 else {
            throw fault(path, "it needs exactly one of \(object.oneOf.joined(separator: ", "))")
        }
    }

    private func join(_ path: String, _ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    private func fault(_ path: String, _ reason: String) -> AgentError {
        path.isEmpty
            ? AgentError(.invalid, "the request's body \(reason)")
            : AgentError(.invalid, "\(reason)", at: path)
    }

    private var kind: String {
        switch self {
        case .text, .word: "text"
        case .integer: "a whole number"
        case .number: "a number"
        case .boolean: "true or false"
        case .list: "a list"
        case .table, .object: "an object"
        case .setting: "what it should be"
        case .any: "anything"
        }
    }

    /// A parameter of a query, as it was written, checked.
    func check(parameter text: String, _ name: String) throws(AgentError) {
        let value: JSONValue? =
            switch self {
            case .integer: Int64(text).map { .integer($0) }
            case .boolean: Bool(text).map { .boolean($0) }
            default: .text(text)
            }
        guard let value else { throw fault("?\(name)", "must be \(kind)") }
        try check(value, at: "?\(name)")
    }
}
