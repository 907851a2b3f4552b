import AgentAPI
import ArgumentParser
import Spec

/// Settings as options: a property for each, of the field's name.
extension Settings {
    /// The help of an option: what the field is, and what it may be.
    static func help(_ name: String) -> ArgumentHelp {
        guard let field = table.field(name) else { preconditionFailure("there is no field '\(name)'") }
        let standard = field.standard.isEmpty ? "" : "; default: \(field.standard)"
        return ArgumentHelp("\(field.about) (\(field.kind.bounds)\(standard))")
    }

    /// What was given, and the names of what `max` lifts.
    ///
    /// - Throws: `ValidationError` with the option that can't be so.
    static func read(_ options: some ParsableArguments) throws -> (settings: Self, lifted: [String]) {
        var settings = Self()
        var lifted: [String] = []
        for (label, value) in Mirror(reflecting: options).children {
            guard let label, let field = table.field(String(label.dropFirst())),
                let text = (value as? Option<String?>)?.wrappedValue
            else { continue }
            if text == "max" {
                lifted.append(field.name.json)
                continue
            }
            do {
                try settings.set(field.name, written: text)
            } catch { throw ValidationError("--\(field.name.option) \(error.reason).") }
        }
        return (settings, lifted)
    }
}

/// Values that are written as one text are arguments as they are; what is wrong with one comes after its option's name.
extension Written {
    static func argument(_ text: String) throws -> Self {
        do throws(FieldFault) { return try Self(parsing: text) } catch { throw ValidationError(error.reason) }
    }
}

enum SettingOptions {
    /// What the agent says of a setting, with the option that it was given by.
    static func named(_ error: any Error) -> any Error {
        guard let error = error as? AgentError, let field = error.field, field.hasPrefix("limits.") else { return error }
        if error.code == .unenforceable { return AgentError(error.code, "\(error.message): --best-effort") }
        return AgentError(error.code, "--\(FieldName(String(field.dropFirst(7))).option): \(error.reason)")
    }
}
