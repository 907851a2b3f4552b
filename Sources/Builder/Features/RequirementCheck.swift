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
                case .user(let name):
                    if accounts == nil { accounts = try Accounts(root, for: feature.place) }
                    _ = try accounts?.user(name, for: feature.place)
                case .group(let name):
                    if accounts == nil { accounts = try Accounts(root, for: feature.place) }
                    _ = try accounts?.group(name, for: feature.place)
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
                switch requirement {
                case .user(let name):
                    if accounts == nil { accounts = try Accounts(root, for: feature.place) }
                    _ = try accounts?.user(name, for: feature.place)
                case .group(let name):
                    if accounts == nil { accounts = try Accounts(root, for: feature.place) }
                    _ = try accounts?.group(name, for: feature.place)
                default: continue
                }
            }
        }
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
