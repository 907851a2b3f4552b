/// A package of the parent that the image shall not have; its configuration goes too.
public struct PackageRemoval: FeatureContent {
    public let package: String

    static let rank = 20
    var name: String { package }
    // The same as installing provides, so that installing and removing one package is a conflict.
    var provides: [Provision] { [.package(package)] }

    static let key = KeySchema(
        "remove_packages", .list(of: .text(.packageName)),
        "Packages of the parent to purge. One that another needs, or that isn't there, is an error.")

    static func features(_ mapping: CheckedMapping) -> [Feature] {
        mapping.texts(key.name).map { Feature(.packageRemoval(PackageRemoval(package: $0.value)), at: $0.place) }
    }
}
