import DebianPackages
import FoundationEssentials
import Layers
import Linux
import Manifest

/// What decides what a build step makes: the ids of the layers it stands on and takes from, the features, the
/// content of every input and the builder's version. Equal keys make equal layers, so nothing needs to run.
struct ActionKey {
    /// Raised whenever the same inputs would make another tree.
    static let builderVersion = 5

    /// What kind of input it is, then what identifies it.
    private(set) var entries: [[String]] = []

    /// - Parameter layers: of the images it depends on.
    init(
        _ target: ImageTarget, layers: [Label: LayerID], packages: [LockedPackage], environments: [LockedEnvironment] = [],
        inputs: BuildInputs
    ) throws {
        add("dish.action", "\(Self.builderVersion)")
        for image in target.dependencies { add("layer", image.value.description, layers[image.value]?.hex ?? "") }
        if case .base(let base) = target.origin { try add(base) }
        for package in packages { add(package) }
        for environment in environments {
            for wheel in environment.wheels { add("wheel", "\(environment.path) \(wheel.file)", wheel.sha256) }
        }
        // Every field of a feature is in its encoding, but not where it is written.
        for feature in target.features { add("feature", try Self.text(of: feature.content)) }
        for input in inputs.fingerprints { add("input", input.name, input.digest) }
    }

    /// The key of an image's packages alone: what it stands on, and them. Nil for an image that adds none, or none to a
    /// Debian.
    init?(packagesOf target: ImageTarget, on parent: LayerID?, packages: [LockedPackage]) throws {
        guard !packages.isEmpty else { return nil }
        add("dish.packages", "\(Self.builderVersion)")
        switch target.origin {
        case .parent: add("layer", parent?.hex ?? "")
        case .base(.debian(let base)): try add(.debian(base))
        case .base: return nil
        }
        for package in packages { add(package) }
    }

    /// 64 hexadecimal digits.
    var hex: String {
        var bytes: [UInt8] = []
        // Each list and each field with its length, so that no two read the same.
        for entry in entries {
            bytes += "\(entry.count)[".utf8
            for field in entry { bytes += Array("\(field.utf8.count):".utf8) + field.utf8 }
        }
        return hexadecimal(ContentHash.bytes(bytes))
    }

    private mutating func add(_ base: Base) throws {
        switch base {
        case .debian(let base): add("debian", try Self.text(of: base))
        case .tarball(let base): add("tarball", try Self.text(of: base))
        case .oci(let base): add("oci", try Self.text(of: base))
        case .scratch: add("scratch")
        }
    }

    private mutating func add(_ package: LockedPackage) {
        add("package", package.name, package.version, package.architecture, package.sha256, "\(package.isAutomatic)")
    }

    private static func text(of value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    private mutating func add(_ values: String...) {
        entries.append(values)
    }
}
