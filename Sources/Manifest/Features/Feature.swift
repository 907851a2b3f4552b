/// One thing an image adds to, or takes from, what it stands on.
public struct Feature: Sendable, Equatable {
    public let content: Content
    public let place: ManifestError.Place

    public enum Content: Sendable, Equatable, Encodable {
        case package(Package)
        case packageRemoval(PackageRemoval)
        case group(Group)
        case user(User)
        case removal(Removal)
        case tarball(Tarball)
        case python(PythonEnvironment)
        case clone(Clone)
        case extraction(Extraction)
        case directory(Directory)
        case file(File)
        case device(Device)
        case hardlink(Hardlink)
        case symlink(Symlink)
        case access(Access)
        case unitSwitch(UnitSwitch)
        case setting(Setting)
        case requirement(Requirement)
        case run(Run)
        case firstBoot(FirstBoot)
    }

    public init(_ content: Content, at place: ManifestError.Place) {
        self.content = content
        self.place = place
    }

    var properties: any FeatureContent {
        switch content {
        case .package(let content): content
        case .packageRemoval(let content): content
        case .group(let content): content
        case .user(let content): content
        case .removal(let content): content
        case .tarball(let content): content
        case .python(let content): content
        case .clone(let content): content
        case .extraction(let content): content
        case .directory(let content): content
        case .file(let content): content
        case .device(let content): content
        case .hardlink(let content): content
        case .symlink(let content): content
        case .access(let content): content
        case .unitSwitch(let content): content
        case .setting(let content): content
        case .requirement(let content): content
        case .run(let content): content
        case .firstBoot(let content): content
        }
    }

    /// What the image has once it is applied. Two features can't provide the same thing differently.
    public var provides: [Provision] { properties.provides }

    /// What must be there before it is applied.
    public var requires: [Provision] { properties.requires }

    /// Where its content comes from, if it comes from files of the workspace.
    public var sources: [Located<SourceFile>] { properties.sources }

    /// Images whose layers it takes something from.
    public var images: [Located<Label>] { properties.images }
}

/// What a kind of feature says of itself.
protocol FeatureContent: Sendable, Equatable, Encodable {
    /// Features that don't depend on each other are applied in ascending order of it, then of `name`.
    static var rank: Int { get }
    /// What tells it from others of its kind.
    var name: String { get }
    var provides: [Provision] { get }
    var requires: [Provision] { get }
    /// Directories it puts things into, whose names are known only when it is applied.
    var fills: [String] { get }
    /// Whether other features may put things below the paths it provides.
    var holdsPaths: Bool { get }
    var sources: [Located<SourceFile>] { get }
    var images: [Located<Label>] { get }
}

extension FeatureContent {
    var requires: [Provision] { [] }
    var fills: [String] { [] }
    var holdsPaths: Bool { false }
    var sources: [Located<SourceFile>] { [] }
    var images: [Located<Label>] { [] }
}

/// A file or folder of the workspace.
public struct SourceFile: Sendable, Hashable, Encodable {
    /// The folder of the `IMAGES.yaml` file that names it, from the workspace's root; empty for the root.
    public let folder: String
    /// Below that folder.
    public let path: String
}

/// What reading features needs to know: where the file is.
struct FeatureContext {
    let folder: String

    func label(_ text: Located<String>) -> Located<Label> {
        // The form has been checked.
        Located(Label(text.value, in: folder) ?? Label(folder: folder, name: text.value), at: text.place)
    }

    func source(_ text: Located<String>) -> Located<SourceFile> {
        Located(SourceFile(folder: folder, path: text.value), at: text.place)
    }
}

extension Label: Encodable {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
