import AgentAPI
import ArgumentParser
import Linux
import Spec

/// Settings as options: a property for each, of the field's name.
extension Settings {
    /// The help of an option: what the field is, and what it may be.
    static func help(_ name: String) -> ArgumentHelp {
        guard let field = field(name)?.description else { preconditionFailure("there is no field '\(name)'") }
        let standard = field.standard.isEmpty ? "" : "; default: \(field.standard)"
        return ArgumentHelp("\(field.about) (\(field.kind.bounds)\(standard))")
    }

    /// The given values, and the names of those that `max` lifts.
    ///
    /// - Throws: `ValidationError` with the option that can't be so.
    static func read(_ options: some ParsableArguments) throws -> (settings: Self, lifted: [String]) {
        var settings = Self()
        var lifted: [String] = []
        for (label, value) in Mirror(reflecting: options).children {
            guard let label, let field = field(String(label.dropFirst())),
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

/// Values written as one text, as arguments.
extension Written {
    static func argument(_ text: String) throws -> Self {
        do throws(FieldFault) { return try Self(parsing: text) } catch { throw ValidationError(error.reason) }
    }
}

/// Errors of the agent in the words of the command line.
enum SettingOptions {
    /// Options of `run` whose name isn't the field's.
    private static let options = [
        "allowedMounts": "allow-mount", "capabilities.add": "cap-add", "capabilities.drop": "cap-drop", "directory": "workdir",
        "environment": "env", "interactive": "interactive", "network": "network", "restart.mode": "restart",
        "secrets": "stored-secret", "secretValues": "secret", "terminal": "tty", "user": "user", "volumes": "volume",
    ]

    /// The error's sentence with the option in place of the field's name, or behind it.
    static func sentence(_ error: any Error) -> String {
        if let error = error as? any SettingFailure, !error.settings.isEmpty {
            return "\(error) (\(error.settings.map { "--\(FieldName($0).option)" }.joined(separator: ", ")))"
        }
        guard let error = error as? AgentError, let field = error.field else { return plainReason(error) }
        if error.code == .unenforceable { return "\(error.message): --best-effort" }
        let path = String(field.prefix { $0 != "[" })
        let option =
            path.hasPrefix("limits.")
            ? FieldName(String(path.dropFirst(7))).option : options[path] ?? options[path.prefix { $0 != "." }.description]
        guard let option else { return error.message }
        return error.reason.map { "--\(option): \($0)" } ?? "\(error.message) (--\(option))"
    }
}
