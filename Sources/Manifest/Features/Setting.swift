/// Something the image says of the tasks that run from it.
public enum Setting: FeatureContent {
    case environment(name: String, value: String)
    case command([String])
    case user(String)
    case directory(String)
    case stopSignal(String)
    case label(name: String, value: String)
    case mount(Mount)
    /// A directory that tasks can't change.
    case immutable(String)

    /// What a task sees at a path instead of what the image has there.
    public struct Mount: Sendable, Equatable, Encodable {
        public enum Source: Sendable, Equatable, Encodable {
            /// A path of the host.
            case host(String)
            /// Memory, of so many bytes at most.
            case tmpfs(size: UInt64)
        }

        public let path: String
        public let source: Source
        public let readOnly: Bool
    }

    static let rank = 160

    var name: String {
        switch self {
        case .environment(let name, _): "environment variable \(name)"
        case .command: "command of its tasks"
        case .user: "user of its tasks"
        case .directory: "working directory of its tasks"
        case .stopSignal: "stop signal of its tasks"
        case .label(let name, _): "label \(name)"
        case .mount(let mount): "mount at \(mount.path)"
        case .immutable(let path): "immutable directory \(path)"
        }
    }

    var provides: [Provision] { [.setting(name)] }

    var requires: [Provision] {
        if case .user(let user) = self { Provision.owners(user, "0") } else { [] }
    }
}
