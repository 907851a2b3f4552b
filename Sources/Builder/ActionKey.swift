import DebianPackages
import Layers
import Linux
import Manifest

/// What decides what a build step makes: the parent's id, the features, the content of every input and
/// the builder's version. Equal keys make equal layers, so nothing needs to run.
struct ActionKey {
    /// Raised whenever the same inputs would make another tree.
    static let builderVersion = 1

    /// What kind of input it is, then what identifies it.
    private(set) var entries: [[String]] = []

    /// - Throws: `ManifestError` for a source file that can't be read.
    init(_ target: ImageTarget, parent: LayerID?, packages: [LockedPackage], inputs: BuildInputs) throws {
        add("dish.action", "\(Self.builderVersion)")
        if case .parent(let label, _) = target.origin { add("layer", label.description, parent?.hex ?? "") }
        if case .debian(let base) = target.origin { add("debian", base.suite) }
        for package in packages {
            add("package", package.name, package.version, package.architecture, package.sha256, "\(package.isAutomatic)")
        }
        for directory in target.directories.sorted(by: { $0.path < $1.path }) {
            add("directory", directory.path, "\(directory.mode)", directory.owner, directory.group)
        }
        for file in target.files.sorted(by: { $0.path < $1.path }) {
            add("file", file.path, "\(file.mode)", file.owner, file.group, inputs.digest(of: file.content))
        }
        for link in target.symlinks.sorted(by: { $0.path < $1.path }) { add("symlink", link.path, link.target) }
        for group in target.groups { add("group", group.name, group.gid.map { "\($0)" } ?? "") }
        for user in target.users {
            add("user", user.name, user.uid.map { "\($0)" } ?? "", user.group ?? "", user.home, user.shell, user.comment)
            add("member of", user.groups.joined(separator: ","))
        }
        for unit in target.units.sorted(by: { $0.name < $1.name }) {
            add("unit", unit.name, "\(unit.enable)", inputs.digest(of: unit.content))
        }
        for unit in target.enabledUnits.map(\.name).sorted() { add("enable", unit) }
        for unit in target.disabledUnits.map(\.name).sorted() { add("disable", unit) }
        for unit in target.maskedUnits.map(\.name).sorted() { add("mask", unit) }
        for run in target.runs { add("run", run.script) }
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

    private mutating func add(_ values: String...) {
        entries.append(values)
    }
}
