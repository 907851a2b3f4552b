import AgentAPI

/// The objects about secrets.
extension APIObject {
    static let secretRequest = APIObject(
        "SecretRequest", "A secret to be kept.", sent: true,
        [
            APIField("value", .text(0...1_400_000), "The content, in base64; 512 KiB at most.", required: true),
            APIField(
                "replace", .boolean,
                "Whether it takes the place of one with another content, which is refused else; without it, it does."),
        ])

    static let secretStatus = APIObject(
        "SecretStatus", "What is told of a secret; never its content.",
        [
            APIField("name", .text(), "Its name.", required: true), APIField("size", .count, "Bytes.", required: true),
            APIField("changed", .integer(Int64.min...Int64.max), "Seconds since 1970.", required: true),
            APIField("usedBy", .list(of: .text(), atMost: 100_000), "Tasks and jobs that it is given to.", required: true),
        ])
}
