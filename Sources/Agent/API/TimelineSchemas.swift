import AgentAPI

/// What was.
extension APIObject {
    static let timelineMoment = APIObject(
        "TimelineMoment", "A moment that can be looked at.",
        [
            APIField("name", .any, "What commands call it.", required: true),
            APIField("kind", .any, "`image`, `snapshot`, `automatic`, `build`, `now`.", required: true),
            APIField("created", .integer(Int64.min...Int64.max), "Seconds since 1970; not there for now."),
            APIField(
                "changes", .object(.changeSummary),
                "What changed since the moment before; not there where counting it takes too long."),
            APIField("path", .object(.pathState), "What the path that was asked for had."),
        ])

    static let changeSummary = APIObject(
        "ChangeSummary", "How much changed: paths and bytes.",
        [
            APIField("added", .count, "Paths.", required: true), APIField("changed", .count, "Paths.", required: true),
            APIField("removed", .count, "Paths.", required: true),
            APIField("written", .count, "Bytes of files that are new or have other content.", required: true),
            APIField("replaced", .count, "Bytes of those and of removed ones, as they were.", required: true),
        ])

    static let pathState = APIObject(
        "PathState", "What a path had.",
        [
            APIField("kind", .any, "`file`, `directory`, `link`, `other`.", required: true),
            APIField("size", .count, "Of a file, in bytes.", required: true),
            APIField("modified", .integer(Int64.min...Int64.max), "Seconds since 1970.", required: true),
        ])

    static let timelineChanges = APIObject(
        "TimelineChanges", "What changed between two moments.",
        [
            APIField("from", .any, "The first.", required: true), APIField("to", .any, "The second.", required: true),
            APIField("summary", .object(.changeSummary), "All of it.", required: true),
            APIField("changes", .list(of: .object(.treeChange), atMost: 1000), "The first paths.", required: true),
            APIField("left", .count, "How many paths aren't named.", required: true),
        ])

    static let treeChange = APIObject(
        "TreeChange", "A path that changed.",
        [
            APIField("path", .any, "Absolute.", required: true),
            APIField("kind", .any, "`added`, `removed`, `changed`.", required: true),
            APIField("aspects", .list(of: .any, atMost: 20), "What of it changed.", required: true),
            APIField("oldSize", .count, "Of a file, bytes before."), APIField("newSize", .count, "Bytes afterwards."),
        ])
}
