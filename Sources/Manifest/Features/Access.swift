/// A public key with which a user may log in by SSH.
public struct Access: FeatureContent {
    public let user: String
    /// A line of authorized_keys(5).
    public let publicKey: String

    static let rank = 140
    var name: String { "\(user) \(publicKey)" }
    var provides: [Provision] { [] }
    var requires: [Provision] { [.user(user)] }

    static let key = KeySchema(
        "ssh", .list(of: .mapping(schema)),
        "Who may log in by SSH: the keys are added to the user's `.ssh/authorized_keys`. The SSH server is a package, `openssh-server`."
    )

    static let schema = MappingSchema(
        "an entry of 'ssh'", title: "ssh",
        [
            KeySchema("user", .text(.account), required: true, "A user of the image."),
            KeySchema("keys", .list(of: .text(.publicKey)), required: true, "Public keys, as in the file `id_ed25519.pub`."),
        ])

    static func features(_ mapping: CheckedMapping) throws(ManifestError) -> [Feature] {
        try mapping.mappings(key.name).flatMap { entry in
            entry.texts("keys").map {
                Feature(.access(Access(user: entry.text("user") ?? "", publicKey: $0.value)), at: $0.place)
            }
        }
    }
}
