import Manifest

/// Checks from the files alone for what is missing in an image, before anything is downloaded, unpacked or started.
///
/// An image that starts from nothing, and into which nothing comes whose content the files don't name, has exactly what its features say.
/// Of all others, only what is built can be asked.
struct TargetCheck {
    /// An image's users, and whether it may have more.
    private struct Contents {
        var provisions: Set<Provision> = []
        /// Paths, and the directories that they lie in.
        var paths: Set<String> = []
        var mayHaveMoreAccounts = false
        var mayHaveMorePaths = false

        static let unknown = {
            var contents = Contents()
            (contents.mayHaveMoreAccounts, contents.mayHaveMorePaths) = (true, true)
            return contents
        }()

        mutating func add(_ feature: Feature) {
            for provision in feature.provides {
                provisions.insert(provision)
                if case .path(let path) = provision { add(path: path) }
            }
            switch feature.content {
            case .user(let user): for path in [user.home] + Accounts.files { add(path: path) }
            case .group: for path in Accounts.files { add(path: path) }
            case .package, .tarball, .clone, .extraction, .python, .unitSwitch, .packageRemoval: mayHaveMorePaths = true
            case .run(let run): if run.appliance != nil || paths.contains("/bin/sh") { mayHaveMorePaths = true }
            default: break
            }
            if feature.mayBringAccounts(withShell: paths.contains("/bin/sh")) { mayHaveMoreAccounts = true }
        }

        private mutating func add(path: String) {
            var above = path[...]
            while !above.isEmpty {
                paths.insert(String(above))
                above = above[..<(above.lastIndex(of: "/") ?? above.startIndex)]
            }
        }
    }

    /// - Parameter targets: each after those it stands on.
    static func check(_ targets: [ImageTarget]) throws(ManifestError) {
        var all: [Label: Contents] = [:]
        for target in targets {
            var contents = Contents()
            switch target.origin {
            case .parent(let label, _): contents = all[label] ?? .unknown
            case .base(.scratch): break
            case .base: contents = .unknown
            }
            let startsFromNothing = !contents.mayHaveMorePaths
            for feature in target.features { contents.add(feature) }
            all[target.label] = contents
            for feature in target.features {
                if !contents.mayHaveMoreAccounts { try checkAccounts(of: feature, contents.provisions) }
                if startsFromNothing { try check(feature, contents) }
            }
        }
    }

    private static func checkAccounts(of feature: Feature, _ known: Set<Provision>) throws(ManifestError) {
        for requirement in feature.requires where !known.contains(requirement) {
            switch requirement {
            case .user(let name) where name != "root":
                throw ManifestError(feature.place, "there is no user '\(name)' in the image; add it under 'users'")
            case .group(let name) where name != "root":
                throw ManifestError(feature.place, "there is no group '\(name)' in the image; add it under 'groups'")
            default: continue
            }
        }
    }

    private static func check(_ feature: Feature, _ contents: Contents) throws(ManifestError) {
        switch feature.content {
        case .run(let run) where run.appliance == nil && !contents.paths.contains("/bin/sh") && !contents.mayHaveMorePaths:
            throw ManifestError(
                feature.place, "the image has no /bin/sh to run the step with: it starts from nothing; name an 'appliance'")
        default: break
        }
        guard !contents.mayHaveMorePaths else { return }
        for requirement in feature.requires where !contents.provisions.contains(requirement) {
            switch requirement {
            case .path(let path) where contents.paths.contains(path): continue
            case .path, .unit:
                throw ManifestError(
                    feature.place,
                    "\(requirement) is needed here and isn't in the image: nothing that it stands on and no feature provides it")
            default: continue
            }
        }
    }
}

extension Feature {
    /// Tells whether it may bring users or groups that it doesn't name.
    ///
    /// - Parameter hasShell: whether a step can run in the image itself.
    func mayBringAccounts(withShell hasShell: Bool) -> Bool {
        func covers(_ path: String) -> Bool { Accounts.files.contains { $0 == path || $0.hasPrefix(path + "/") } }
        switch content {
        case .package: return true
        case .tarball(let tarball): return covers(tarball.destination)
        case .clone(let clone): return covers(clone.destination)
        case .file(let file): return covers(file.path)
        case .symlink(let link): return covers(link.path)
        case .hardlink(let link): return covers(link.path)
        case .run(let run):
            guard run.appliance != nil || hasShell else { return false }
            return run.outputs?.contains(where: covers) ?? true
        default: return false
        }
    }
}
