import AgentAPI

/// The objects about images of registries.
extension APIObject {
    static let packageRequest = APIObject(
        "PackageRequest", "Images of registries that shall be present on the host.", sent: true,
        [
            APIField(
                "references", .list(of: .text(1...1000), atMost: 100), "Like `HOST[:PORT]/NAME[:TAG][@DIGEST]`.", required: true),
            APIField("always", .boolean, "Whether those that are here are fetched anew."),
        ])

    static let packageStatus = APIObject(
        "PackageStatus", "An image of a registry that the agent fetches or has fetched.",
        [
            APIField("reference", .any, "As it was asked for.", required: true),
            APIField("state", .word(PackageStatus.State.self), "How far it is.", required: true),
            APIField("layer", .any, "The layer's id, once it was here."),
            APIField("bytes", .count, "Of the pull that is under way or was the last.", required: true),
            APIField("expected", .count, "What it transfers at most; 0 before that is known.", required: true),
            APIField("step", .any, "What it is doing."),
            APIField("attempts", .count, "How often it has been tried since it was asked for.", required: true),
            APIField("reason", .any, "Why it failed last."),
            APIField("retryIn", .count, "Milliseconds until it is tried again."),
            APIField("pulled", .count, "When it was fetched, in seconds since 1970."),
            APIField("lastUsed", .count, "When something last ran from it or asked for it, in seconds since 1970."),
        ])

    static let poolPressure = APIObject(
        "PoolPressure", "How full the pool is, and what that means for images.",
        [
            APIField("total", .count, "Bytes.", required: true), APIField("used", .count, "Bytes.", required: true),
            APIField("high", .integer(0...100), "Percent above which layers are collected.", required: true),
            APIField("low", .integer(0...100), "Percent down to which they are.", required: true),
            APIField("isFull", .boolean, "Whether nothing is pulled.", required: true),
            APIField("reason", .any, "What a pull would be refused with."),
        ])

    static let packagesStatus = APIObject(
        "PackagesStatus", "Images of registries, and how full the pool is.",
        [
            APIField("revision", .count, "Grows with each change but progress.", required: true),
            APIField("pool", .object(.poolPressure), "The pool.", required: true),
            APIField("packages", .list(of: .object(.packageStatus), atMost: 100_000), "The images.", required: true),
        ])
}
