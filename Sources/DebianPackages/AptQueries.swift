import Glibc
import Linux

/// The questions asked of apt, and its answers read.
extension DebianArchive {
    struct Selection {
        let name: String
        let version: String
    }

    /// What `apt-get install` would do.
    func simulate(_ names: [String], _ state: String, _ bootstrap: Bootstrap?) async throws -> [Selection] {
        // apt takes itself for essential unless it is told otherwise, and keeps that in its cache.
        let essence =
            bootstrap == .minimal ? ["pkgCacheGen::ForceEssential=,", "Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache="] : []
        let settings = ["Dir::State::status=\(state)", "APT::Install-Recommends=false", "APT::Get::Show-Versions=false"]
        let result = try await apt(
            "apt-get",
            Arguments().flag("simulate").words((essence + settings).flatMap { ["-o", $0] }).words("install").end(names))
        guard result.status.isSuccess else { throw failure(of: result, names) }
        var selections: [Selection] = []
        for line in result.text.split(separator: "\n") {
            if line.hasPrefix("Remv ") {
                throw PackageError("installing \(names.joined(separator: " ")) would remove \(line.dropFirst(5))")
            }
            // Inst NAME [OLD] (VERSION ORIGIN [ARCHITECTURE]) …
            guard line.hasPrefix("Inst "), let open = line.firstIndex(of: "(") else { continue }
            let name = line.dropFirst(5).prefix { $0 != " " && $0 != ":" }
            let version = line[line.index(after: open)...].prefix { $0 != " " && $0 != ")" }
            selections.append(Selection(name: String(name), version: String(version)))
        }
        return selections
    }

    /// The index's fields of packages, by `name=version`.
    func show(_ selectors: [String]) async throws -> [String: [String: String]] {
        var found: [String: [String: String]] = [:]
        for stanza in try await stanzas(selectors) {
            var fields: [String: String] = [:]
            for line in stanza.split(separator: "\n") where line.first != " " {
                guard let colon = line.firstIndex(of: ":") else { continue }
                fields[String(line[..<colon])] = String(line[line.index(after: colon)...].drop { $0 == " " })
            }
            guard let name = fields["Package"], let version = fields["Version"] else { continue }
            found["\(name)=\(version)"] = found["\(name)=\(version)"] ?? fields
        }
        return found
    }

    /// A dpkg status file that has packages installed.
    func status(of installed: [LockedPackage]) async throws -> String {
        guard !installed.isEmpty else { return "" }
        var latest: [String: LockedPackage] = [:]
        for package in installed { latest[package.name] = package }
        var seen: Set<String> = []
        var text = ""
        for stanza in try await stanzas(latest.values.map(\.selector).sorted()) {
            guard let name = stanza.split(separator: "\n").first(where: { $0.hasPrefix("Package: ") })?.dropFirst(9),
                seen.insert(String(name)).inserted
            else { continue }
            text += "\(stanza)\nStatus: install ok installed\n\n"
        }
        if let missing = latest.keys.filter({ !seen.contains($0) }).min() {
            throw PackageError(
                "the lock file has \(missing) \(latest[missing]!.version), which the archives don't have any more; resolve everything anew: dish image plan //..."
            )
        }
        return text
    }

    private func stanzas(_ selectors: [String]) async throws -> [String] {
        let result = try await apt("apt-cache", Arguments("show").flag("no-all-versions").end(selectors))
        return result.text.split(separator: "\n\n").map(String.init)
    }

    private func failure(of result: Command.Result, _ names: [String]) -> any Error {
        for line in result.errorText.split(separator: "\n") {
            // E: Unable to locate package X | E: Version 'V' for 'X' was not found | E: Package 'X' has no …
            for name in names {
                let plain = name.prefix { $0 != "=" }
                guard line.hasSuffix(" package \(plain)") || line.contains("'\(plain)'") else { continue }
                return UnknownPackage(
                    name: name,
                    description:
                        "the package '\(name)' is not in \(sources.suite): \(line.dropFirst(line.hasPrefix("E: ") ? 3 : 0))")
            }
        }
        return PackageError(
            "resolve \(names.filter { !$0.hasPrefix("?") }.joined(separator: " ")) in \(sources.suite): \(reason(result))")
    }

    /// The last things a program had to say.
    func reason(_ result: Command.Result) -> String {
        let lines = (result.errorText.isEmpty ? result.text : result.errorText).split(separator: "\n")
        return lines.suffix(8).joined(separator: "\n  ")
    }

    /// A relative path without `..`, as archives have them.
    static func isArchivePath(_ path: String) -> Bool {
        !path.hasPrefix("/") && !path.isEmpty
            && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { $0 != ".." && !$0.isEmpty }
            && path.utf8.allSatisfy { $0 > 32 && $0 < 127 }
    }

    static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64
            && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}
