/// A Debian package that the image shall have.
public struct Package: FeatureContent {
    /// A name, or `name=version`.
    public let selector: String

    static let rank = 10
    var name: String { String(selector.prefix { $0 != "=" }) }
    var provides: [Provision] { [.package(name)] }

    static let key = KeySchema(
        "packages", .list(of: .text(.package)),
        "Debian packages to install, with what they depend on (not with what they recommend). `IMAGES.lock` says which versions.")

    static func features(_ mapping: CheckedMapping) -> [Feature] {
        mapping.texts(key.name).map { Feature(.package(Package(selector: $0.value)), at: $0.place) }
    }
}
