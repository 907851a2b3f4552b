/// What somebody may do over the API; each role may do what those before it may (docs/security.md, "Roles").
public enum APIRole: String, Sendable, Comparable, CaseIterable {
    /// Look, at everything that the agent tells.
    case read
    /// Stop, start and resize what is there, keep snapshots, go back to them.
    case operate
    /// Say what runs, and with what of the host: as good as root.
    case admin

    public static func < (left: APIRole, right: APIRole) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .read: 0
        case .operate: 1
        case .admin: 2
        }
    }
}

/// Who asks.
struct APICaller: Sendable, Equatable {
    let role: APIRole
    /// For events: `user 1000`, `'alice' (operate)`.
    let name: String
}
