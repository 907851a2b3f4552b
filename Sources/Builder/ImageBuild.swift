import DebianPackages
import Layers
import Linux
import Manifest
import Runtime

/// Makes one image's tree in a staging directory, in two phases: the base with the packages, which depend on no feature,
/// then feature by feature in the order that the target has them in.
struct ImageBuild: Sendable {
    let target: ImageTarget
    let packages: [LockedPackage]
    /// The wheels of its Python environments.
    let wheels: WheelFiles
    let inputs: BuildInputs
    /// The roots of the layers it takes something from.
    let layers: [Label: String]
    let sandbox: BuildSandbox
    /// The libraries that extractions have brought.
    let extracted = ExtractedLibraries()
    let report: @Sendable (BuildEvent) -> Void

    /// What features find is as tidy as a finished layer, whether the packages were installed for them or before.
    func makePackages(in root: String, files: [String]) async throws {
        try await makeBase(in: root)
        guard !packages.isEmpty else { return }
        try await installPackages(in: root, files: files)
        try await blocking {
            try replace(DebianTidy.tidy(root: root), in: root)
            try adaptPackages(in: RootDirectory(root))
        }
    }

    func applyFeatures(in root: String) async throws {
        try await blocking { try checkAccounts(in: RootDirectory(root)) }
        var rest = target.features[...]
        while let feature = rest.first {
            let batch = Array(rest.prefix { $0.isApplied(with: feature) })
            rest = rest.dropFirst(batch.count)
            try await blocking { try checkRequirements(of: batch, in: RootDirectory(root)) }
            try await apply(batch, in: root)
        }
        let searches = target.mayBringByteCode
        try await blocking { try replace(DebianTidy.tidy(root: root, searchesByteCode: searches), in: root) }
    }

    var output: @Sendable ([UInt8]) -> Void {
        { [report, label = target.label] in report(.output(label, $0)) }
    }

    /// Tells what is being done.
    func step(_ what: String) { report(.step(target.label, what)) }

    /// Applies features of one kind; only what starts a sandbox is applied together.
    private func apply(_ batch: [Feature], in root: String) async throws {
        let place = batch[0].place
        switch batch[0].content {
        case .package: break
        case .packageRemoval: try await removePackages(batch, in: root)
        case .unitSwitch: try await switchUnits(batch, in: root)
        case .tarball(let tarball): try await unpack(tarball, in: root, at: place)
        case .clone(let clone): try await take(clone, in: root, at: place)
        case .extraction(let extraction): try await extract(extraction, in: root, at: place)
        case .run(let run): try await perform(run, in: root, at: place)
        case .python(let python): try await install(python, in: root, at: place)
        default: try await blocking { try edit(batch[0], RootDirectory(root)) }
        }
    }

    /// What needs nothing but the tree.
    private func edit(_ feature: Feature, _ root: borrowing RootDirectory) throws {
        let place = feature.place
        do {
            switch feature.content {
            case .group(let group): try add(group, to: root, at: place)
            case .user(let user): try add(user, to: root, at: place)
            case .removal(let removal): try remove(removal, from: root, at: place)
            case .directory(let directory): try make(directory, in: root, at: place)
            case .file(let file): try write(file, to: root, at: place)
            case .device(let device): try make(device, in: root, at: place)
            case .hardlink(let link): try root.makeHardlink(link.path, to: link.target)
            case .symlink(let link): try root.makeSymlink(link.path, to: link.target)
            case .access(let access): try grant(access, in: root, at: place)
            case .setting(let setting): try set(setting, in: root)
            case .firstBoot(let firstBoot): try prepare(firstBoot, in: root)
            default: break
            }
        } catch let error as SystemError {
            throw ManifestError(place, "\(error)")
        } catch let error as BuildError where error.code == .path {
            throw ManifestError(place, "\(error)")
        }
    }
}

extension ImageTarget {
    /// Whether anything is done once the packages are installed.
    var hasMoreThanPackages: Bool {
        features.contains { feature in
            if case .package = feature.content { false } else { true }
        }
    }

    /// Whether byte code may come with it. The tree of a parent, and that of the packages, is free of it.
    fileprivate var mayBringByteCode: Bool {
        if case .base = origin { return true }
        return features.contains { $0.mayBringByteCode }
    }
}

extension Feature {
    /// Whether it puts files into the image that it doesn't name, or names byte code.
    fileprivate var mayBringByteCode: Bool {
        switch content {
        case .packageRemoval, .tarball, .clone, .extraction, .unitSwitch, .run, .python: true
        default:
            provides.contains { provision in
                if case .path(let path) = provision { path.hasSuffix(".pyc") } else { false }
            }
        }
    }

    /// Whether it is applied in one go with another: what costs a start of the sandbox.
    fileprivate func isApplied(with other: Feature) -> Bool {
        switch (content, other.content) {
        case (.package, .package), (.packageRemoval, .packageRemoval), (.unitSwitch, .unitSwitch): true
        default: self == other && place == other.place
        }
    }
}
