import Linux
import Manifest

/// The images that some labels need, gathered from the files of a workspace as far as they are needed.
struct TargetGraph {
    /// Each after those it needs.
    private(set) var order: [ImageTarget] = []
    private let files: ImageFiles

    init(workspace: Workspace) {
        files = ImageFiles(workspace)
    }

    /// Adds an image that a person asked for, and what it needs.
    mutating func add(_ label: Label) throws {
        try add(try image(label, for: nil), below: [])
    }

    /// - Parameter chain: the labels that lead here.
    private mutating func add(_ target: ImageTarget, below chain: [Label]) throws {
        guard !order.contains(where: { $0.label == target.label }) else { return }
        let chain = chain + [target.label]
        for dependency in target.dependencies {
            let needed = try image(dependency.value, for: (target.label, dependency.place))
            if let start = chain.firstIndex(of: needed.label) {
                let names = (chain[start...] + [needed.label]).map(\.description)
                throw ManifestError(dependency.place, "the images stand on each other: \(names.joined(separator: " -> "))")
            }
            try add(needed, below: chain)
        }
        try requireDebian(below: target)
        order.append(target)
    }

    /// Packages need what they are installed with, and a suite to come from.
    private func requireDebian(below target: ImageTarget) throws {
        guard let package = target.packages.first else { return }
        guard Planner.debian(chain(below: target, in: order) + [target]) == nil else { return }
        throw ManifestError(
            package.place, "\(target.label) can't have packages: it doesn't stand on a base of Debian packages ('base: debian')")
    }

    private func image(_ label: Label, for user: (label: Label, place: ManifestError.Place)?) throws -> ImageTarget {
        try TargetReader(lookup: files.definition).image(label, for: user)
    }
}

/// The files of a workspace that were needed so far.
private final class ImageFiles {
    private let workspace: Workspace
    private var files: [String: ImageFile] = [:]

    init(_ workspace: Workspace) {
        self.workspace = workspace
    }

    func definition(_ label: Label, askedAt place: ManifestError.Place?, _ what: String) throws -> Definition {
        let path = "\(workspace.path(of: label.folder))/\(ImageFile.name)"
        func unknown(_ reason: String) -> any Error {
            let message = "there is no \(what) '\(label.plain)': \(reason)"
            if let place { return ManifestError(place, message) }
            return BuildError(.unknownTarget, message)
        }
        if files[label.folder] == nil {
            guard Files.exists(path) else { throw unknown("'\(path)' doesn't exist") }
            files[label.folder] = try workspace.read(label.folder)
        }
        let definitions = files[label.folder]?.definitions ?? []
        guard let definition = definitions.first(where: { $0.label == label.plain }) else {
            let known = definitions.map(\.label.name).joined(separator: ", ")
            throw unknown("'\(path)' defines \(known.isEmpty ? "nothing" : known)")
        }
        return definition
    }
}
