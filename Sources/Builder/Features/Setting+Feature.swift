import Layers
import Manifest

extension ImageBuild {
    /// Changes one setting of the image's configuration, which has those of the parent.
    func set(_ setting: Setting, in root: borrowing RootDirectory) throws {
        var configuration = try ImageConfiguration(try root.read(ImageConfiguration.path))
        switch setting {
        case .environment(let name, let value): configuration.environment[name] = value
        case .command(let command): (configuration.entrypoint, configuration.command) = (nil, command)
        case .user(let user): configuration.user = user
        case .directory(let directory): configuration.directory = directory
        case .stopSignal(let signal): configuration.stopSignal = signal
        case .label(let name, let value): configuration.labels[name] = value
        case .mount(let mount):
            configuration.mounts.removeAll { $0.path == mount.path }
            var entry = ImageConfiguration.Mount(path: mount.path, host: nil, tmpfs: nil, readOnly: mount.readOnly)
            switch mount.source {
            case .host(let path): entry.host = path
            case .tmpfs(let size): entry.tmpfs = size
            }
            configuration.mounts.append(entry)
            configuration.mounts.sort { $0.path < $1.path }
        case .immutable(let path):
            guard root.isDirectory(path) else {
                throw BuildError(.path, "'\(path)' is to be immutable, and the image has no such directory")
            }
            configuration.immutable = Set((configuration.immutable ?? []) + [path]).sorted()
        }
        try root.write(ImageConfiguration.path, configuration.encoded(), mode: 0o644)
    }
}
