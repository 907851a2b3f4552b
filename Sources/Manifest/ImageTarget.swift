/// One image, with all features of the sets it uses, in the order they are applied.
public struct ImageTarget: Sendable, Equatable {
    /// What the image stands on.
    public enum Origin: Sendable, Equatable {
        /// Another image; the place is that of the reference.
        case parent(Label, ManifestError.Place)
        case base(Base)
    }

    public let label: Label
    public let place: ManifestError.Place
    public let origin: Origin
    public let features: [Feature]
    /// Bytes of all files of the image.
    public let sizeBudget: Located<UInt64>?
    /// In the order they are written.
    public let tests: [ImageTest]

    /// The images whose layers are needed to build it: its parent first.
    public var dependencies: [Located<Label>] {
        var all: [Located<Label>] = []
        if case .parent(let label, let place) = origin { all.append(Located(label, at: place)) }
        for image in features.flatMap(\.images) where !all.contains(image) { all.append(image) }
        return all
    }

    /// The packages it adds.
    public var packages: [Located<Package>] {
        features.compactMap { feature in
            if case .package(let package) = feature.content { Located(package, at: feature.place) } else { nil }
        }
    }

    /// The packages it takes away, by name.
    public var removedPackages: [String] {
        features.compactMap { feature in
            if case .packageRemoval(let removal) = feature.content { removal.package } else { nil }
        }
    }

    /// The Python environments it has.
    public var python: [Located<PythonEnvironment>] {
        features.compactMap { feature in
            if case .python(let content) = feature.content { Located(content, at: feature.place) } else { nil }
        }
    }

    /// The Debian it starts from, if it does.
    public var debian: DebianBase? {
        if case .base(.debian(let base)) = origin { base } else { nil }
    }

    public var parent: Label? {
        if case .parent(let label, _) = origin { label } else { nil }
    }
}
