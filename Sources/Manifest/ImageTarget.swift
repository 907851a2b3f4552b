/// One image of an `IMAGES.yaml` file: what it is made from and what is added.
public struct ImageTarget: Sendable, Equatable {
    /// What the image stands on.
    public enum Origin: Sendable, Equatable {
        /// Another target; the place is that of the reference.
        case parent(Label, ManifestError.Place)
        case debian(DebianBase)
    }

    public struct DebianBase: Sendable, Equatable {
        /// The release's code name: `bookworm`.
        public var suite: String
        public var components: [String]
    }

    /// Where a file's content comes from.
    public enum Content: Sendable, Equatable {
        case text(String)
        /// A path below the folder of the `IMAGES.yaml` file; the place is that of the path.
        case source(String, ManifestError.Place)
    }

    public struct File: Sendable, Equatable {
        /// Absolute path inside the image.
        public var path: String
        public var content: Content
        public var mode: UInt32
        /// Names or numbers.
        public var owner: String
        public var group: String
        public var place: ManifestError.Place
    }

    public struct Directory: Sendable, Equatable {
        public var path: String
        public var mode: UInt32
        public var owner: String
        public var group: String
        public var place: ManifestError.Place
    }

    public struct Symlink: Sendable, Equatable {
        public var path: String
        public var target: String
        public var place: ManifestError.Place
    }

    public struct Group: Sendable, Equatable {
        public var name: String
        /// Nil: the first free one.
        public var gid: UInt32?
        public var place: ManifestError.Place
    }

    public struct User: Sendable, Equatable {
        public var name: String
        /// Nil: the first free one.
        public var uid: UInt32?
        /// Primary group; nil: a group of the user's own name.
        public var group: String?
        /// Further groups.
        public var groups: [String]
        public var home: String
        public var shell: String
        public var comment: String
        public var place: ManifestError.Place
    }

    public struct Unit: Sendable, Equatable {
        /// `hello.service`.
        public var name: String
        public var content: Content
        public var enable: Bool
        public var place: ManifestError.Place
    }

    public struct Package: Sendable, Equatable {
        /// A name, or `name=version`.
        public var name: String
        public var place: ManifestError.Place
    }

    /// A unit of the image or of one of its packages, by name.
    public struct UnitReference: Sendable, Equatable {
        public var name: String
        public var place: ManifestError.Place
    }

    public struct Run: Sendable, Equatable {
        /// A script for `/bin/sh -e`.
        public var script: String
        public var place: ManifestError.Place
    }

    public var label: Label
    public var place: ManifestError.Place
    public var origin: Origin
    public var packages: [Package] = []
    public var directories: [Directory] = []
    public var files: [File] = []
    public var symlinks: [Symlink] = []
    public var groups: [Group] = []
    public var users: [User] = []
    public var units: [Unit] = []
    public var enabledUnits: [UnitReference] = []
    public var disabledUnits: [UnitReference] = []
    public var maskedUnits: [UnitReference] = []
    public var runs: [Run] = []
}
