import Linux
import Manifest

extension ImageBuild {
    /// Refuses a feature whose requirements are not there, now that all that comes before it is.
    func checkRequirements(of features: [Feature], in root: borrowing RootDirectory) throws {
        var accounts: Accounts?
        for feature in features {
            for requirement in feature.requires {
                switch requirement {
                case .path(let path):
                    guard !root.exists(path) else { continue }
                    throw missing(requirement, feature, "nothing of the parent, the packages and the features provides it")
                case .unit(let name):
                    guard !hasUnit(name, root) else { continue }
                    throw missing(requirement, feature, "no package and no feature provides it")
                case .user, .group: try checkAccount(requirement, of: feature, in: root, &accounts)
                case .package, .setting: continue
                }
            }
        }
    }

    /// Refuses owners that nothing provides, before archives are unpacked and steps run: only some features can bring accounts.
    func checkAccounts(in root: borrowing RootDirectory) throws {
        // The packages are there.
        let mayCome = target.features.contains { feature in
            if case .package = feature.content { false } else { feature.mayBringAccounts(withShell: true) }
        }
        if mayCome { return }
        let provided = Set(target.features.flatMap(\.provides))
        var accounts: Accounts?
        for feature in target.features {
            for requirement in feature.requires where !provided.contains(requirement) {
                try checkAccount(requirement, of: feature, in: root, &accounts)
            }
        }
    }

    /// Refuses a user or group that the image hasn't; other requirements pass.
    ///
    /// - Parameter accounts: read when the first one is asked for.
    private func checkAccount(
        _ requirement: Provision, of feature: Feature, in root: borrowing RootDirectory, _ accounts: inout Accounts?
    ) throws {
        switch requirement {
        case .user, .group: break
        default: return
        }
        let known = try accounts ?? Accounts(root, for: feature.place)
        accounts = known
        if case .user(let name) = requirement { _ = try known.user(name, for: feature.place) }
        if case .group(let name) = requirement { _ = try known.group(name, for: feature.place) }
    }

    private func missing(_ provision: Provision, _ feature: Feature, _ reason: String) -> ManifestError {
        ManifestError(feature.place, "\(provision) is needed here and isn't in the image: \(reason)")
    }

    /// The folders of systemd.unit(5) that an image can have units in.
    private static let unitFolders = [
        "/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
    ]

    private func hasUnit(_ name: String, _ root: borrowing RootDirectory) -> Bool {
        var names = [name]
        // An instance is made of its template.
        if let at = name.firstIndex(of: "@"), let dot = name.lastIndex(of: ".") { names.append("\(name[...at])\(name[dot...])") }
        for folder in Self.unitFolders {
            for name in names where root.exists("\(folder)/\(name)") { return true }
        }
        // Scripts of init.d(7), of which systemd makes units.
        return name.hasSuffix(".service") && root.exists("/etc/init.d/\(name.dropLast(8))")
    }
}
