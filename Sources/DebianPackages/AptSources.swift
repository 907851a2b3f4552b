import Linux

/// The archives of the host's apt configuration that carry a release: sources.list(5), both formats.
///
/// Only entries of the release itself, its updates and its security updates are taken; what else the host
/// has configured stays its own.
public struct AptSources: Sendable, Equatable {
    /// One archive, as a deb822 stanza.
    public struct Archive: Sendable, Equatable {
        let uri: String
        let suites: [String]
        let components: [String]
        /// Fields that decide whether it is trusted: `Signed-By`, `Trusted`, …, with their lines as they are.
        let options: [String]
    }

    public let suite: String
    public let archives: [Archive]

    /// - Parameter root: where the host's `etc/apt` is; for tests.
    /// - Throws: `PackageError` when nothing carries the release.
    public static func host(suite: String, components: [String], root: String = "/") throws -> AptSources {
        let folder = root == "/" ? "/etc/apt" : "\(root)/etc/apt"
        var entries: [Archive] = []
        if let text = try Files.readTextIfPresent("\(folder)/sources.list") { entries += parseList(text) }
        if Files.isDirectory("\(folder)/sources.list.d") {
            for name in try Files.list("\(folder)/sources.list.d") {
                let text = try Files.readText("\(folder)/sources.list.d/\(name)")
                if name.hasSuffix(".list") { entries += parseList(text) }
                if name.hasSuffix(".sources") { entries += parseStanzas(text) }
            }
        }
        let wanted = [suite, "\(suite)-updates", "\(suite)-security", "\(suite)/updates"]
        let archives = entries.compactMap { entry -> Archive? in
            let suites = entry.suites.filter { wanted.contains($0) }
            let common = entry.components.filter { components.contains($0) }
            guard !suites.isEmpty, !common.isEmpty else { return nil }
            return Archive(uri: entry.uri, suites: suites, components: common, options: entry.options)
        }
        guard archives.contains(where: { $0.suites.contains(suite) }) else {
            throw PackageError(
                "this host's apt configuration (\(folder)) has no archive with \(suite) \(components.joined(separator: " ")); add one to \(folder)/sources.list.d and try again"
            )
        }
        return AptSources(suite: suite, archives: archives)
    }

    /// All of it as one `.sources` file.
    var text: String {
        archives.map { archive in
            ([
                "Types: deb", "URIs: \(archive.uri)", "Suites: \(archive.suites.joined(separator: " "))",
                "Components: \(archive.components.joined(separator: " "))",
            ] + archive.options).joined(separator: "\n") + "\n"
        }.joined(separator: "\n")
    }

    /// `deb [signed-by=/path arch=amd64] URI SUITE COMPONENT…`
    static func parseList(_ text: String) -> [Archive] {
        text.split(separator: "\n").compactMap { line in
            var words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)[...]
            guard words.popFirst() == "deb" else { return nil }
            var options: [String] = []
            if words.first?.hasPrefix("[") == true {
                while let word = words.popFirst() {
                    let option = word.filter { $0 != "[" && $0 != "]" }.split(separator: "=", maxSplits: 1)
                    if option.count == 2, let field = fields[option[0].lowercased()] {
                        options.append("\(field): \(option[1].replacing(",", with: " "))")
                    }
                    if word.hasSuffix("]") { break }
                }
            }
            guard let uri = words.popFirst(), uri.contains(":/"), let suite = words.popFirst() else { return nil }
            return Archive(uri: uri, suites: [suite], components: Array(words), options: options)
        }
    }

    /// Options that decide trust, in both formats' spellings.
    private static let fields = [
        "signed-by": "Signed-By", "trusted": "Trusted", "check-valid-until": "Check-Valid-Until",
        "check-date": "Check-Date", "allow-insecure": "Allow-Insecure",
    ]

    /// Values of `Enabled` that switch a stanza off, as apt takes them.
    private static let off: Set<String> = ["no", "false", "without", "off", "disable", "0"]

    static func parseStanzas(_ text: String) -> [Archive] {
        // Stanzas are parted by lines that are empty, or look so.
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("#") }
        return lines.split { $0.allSatisfy(\.isWhitespace) }.flatMap { stanza -> [Archive] in
            var values: [String: [String]] = [:]
            var fieldLines: [String: String] = [:]
            var current: String?
            for line in stanza {
                if line.first == " " || line.first == "\t" {
                    guard let field = current else { continue }
                    values[field, default: []] += line.split(whereSeparator: \.isWhitespace).map(String.init)
                    fieldLines[field, default: ""] += "\n\(line)"
                } else if let colon = line.firstIndex(of: ":") {
                    let field = line[..<colon].lowercased()
                    current = field
                    values[field] = line[line.index(after: colon)...].split(whereSeparator: \.isWhitespace).map(String.init)
                    fieldLines[field] = String(line)
                }
            }
            guard values["types"]?.contains("deb") == true, !off.contains(values["enabled"]?.first?.lowercased() ?? ""),
                let uris = values["uris"], let suites = values["suites"]
            else { return [] }
            let options = fields.keys.sorted().compactMap { fieldLines[$0] }
            return uris.map { Archive(uri: $0, suites: suites, components: values["components"] ?? [], options: options) }
        }
    }
}
