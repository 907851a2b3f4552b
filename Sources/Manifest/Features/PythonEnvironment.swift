import Spec

/// A virtual environment of Python with packages of an index.
public struct PythonEnvironment: FeatureContent {
    /// Its place.
    public let path: String
    /// Its packages, as pip(1) takes them: `flask`, `flask>=3,<4`. Sorted.
    public let packages: [String]

    static let rank = 65
    var name: String { path }
    var provides: [Provision] { [.path(path)] }
    var holdsPaths: Bool { true }

    static let key = KeySchema(
        "python", .list(of: .mapping(schema)),
        "Virtual environments of Python with packages of an index. `IMAGES.lock` says which wheels, exactly; building needs no network."
    )

    static let schema = MappingSchema(
        "a Python environment", title: "python",
        [
            KeySchema(
                "packages", .list(of: .text(.pythonPackage)), required: true,
                "What it has, with what that needs: names, extras and versions, like `flask` or `uvicorn[standard]>=0.30,<1`."),
            KeySchema("path", .text(.path), default: "`/opt/venv`", "Where it is: its programs are in `bin`."),
        ])

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        var features: [Feature] = []
        for entry in try mapping.mappings(key.name) {
            let packages = entry.texts("packages").map(\.value).sorted()
            guard !packages.isEmpty else {
                throw ManifestError(entry.place(of: "packages"), "'packages' of a Python environment is empty; name some")
            }
            let content = PythonEnvironment(path: entry.text("path") ?? "/opt/venv", packages: packages)
            features.append(Feature(.python(content), at: entry.place))
        }
        return features
    }
}

extension TextForm {
    /// The names and versions of PEP 508, without addresses and markers.
    static let pythonPackage = TextForm(
        "a Python package, perhaps with extras and versions",
        pattern: #"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?( *\[[^\]]*\])?( *(===?|~=|!=|[<>]=?)[^@;]+)?$"#
    ) { text, _ in
        let isFine = text.utf8.count <= 200 && isPythonPackage(text)
        return isFine
            ? nil : "'\(text)' is not a Python package with extras and versions, like flask or uvicorn[standard]>=0.30,<1"
    }

    private static func isPythonPackage(_ text: String) -> Bool {
        let name = text.prefix { isPythonName($0) }
        var rest = text.dropFirst(name.count).drop { $0 == " " }
        guard isPythonWord(name) else { return false }
        if rest.first == "[" {
            guard let end = rest.firstIndex(of: "]") else { return false }
            let extras = rest[..<end].dropFirst().split(separator: ",", omittingEmptySubsequences: false)
            guard extras.allSatisfy({ isPythonWord($0.filter { $0 != " " }[...]) }) else { return false }
            rest = rest[end...].dropFirst().drop { $0 == " " }
        }
        guard !rest.isEmpty else { return true }
        return rest.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { clause in
            let clause = clause.drop { $0 == " " }
            let comparison = clause.prefix { "<>=!~".contains($0) }
            let version = clause.dropFirst(comparison.count).filter { $0 != " " }
            return ["===", "==", "~=", "!=", "<=", ">=", "<", ">"].contains(String(comparison)) && !version.isEmpty
                && version.allSatisfy { isPythonName($0) || "*+!".contains($0) }
        }
    }

    private static func isPythonWord(_ text: Substring) -> Bool {
        guard let first = text.first, let last = text.last, text.allSatisfy(isPythonName) else { return false }
        return !"._-".contains(first) && !"._-".contains(last)
    }

    private static func isPythonName(_ character: Character) -> Bool {
        guard let byte = character.asciiValue else { return false }
        return isLetter(byte) || isDigit(byte) || "._-".contains(character)
    }
}
