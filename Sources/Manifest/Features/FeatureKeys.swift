/// All keys that say what is in an image.
enum FeatureKeys {
    static let all = [
        Package.key, PackageRemoval.key, File.key, Directory.key, Symlink.key, Hardlink.key, Device.key, Group.key, User.key,
        Systemd.key, Access.key, Removal.key, Clone.key, Extraction.key, Tarball.key, PythonEnvironment.key, Requirement.key,
        TaskSettings.key, Run.key, FirstBoot.key,
    ]

    /// The features of a mapping that has these keys.
    static func features(_ mapping: CheckedMapping, _ context: FeatureContext) throws(ManifestError) -> [Feature] {
        var features = Package.features(mapping) + PackageRemoval.features(mapping)
        features += try File.features(mapping, context)
        features += try Directory.features(mapping)
        features += try Symlink.features(mapping)
        features += try Hardlink.features(mapping)
        features += try Device.features(mapping)
        features += try Group.features(mapping)
        features += try User.features(mapping)
        features += try Systemd.features(mapping, context)
        features += try Access.features(mapping)
        features += try Removal.features(mapping)
        features += try Clone.features(mapping, context)
        features += try Extraction.features(mapping, context)
        features += try Tarball.features(mapping, context)
        features += try Requirement.features(mapping)
        features += try TaskSettings.features(mapping)
        features += try PythonEnvironment.features(mapping)
        features += try Run.features(mapping, context)
        features += try FirstBoot.features(mapping)
        return features
    }
}
