import Spec

/// That an image boots: its init starts all it shall start, and some units are active then.
public struct BootExpectation: Sendable, Equatable, Encodable {
    /// Of systemd.
    public let units: [String]
    /// Seconds until all of them are active.
    public let timeout: Int

    static let schema = MappingSchema(
        "'boot'", title: "tests: boot",
        [
            KeySchema(
                "units", .list(of: .text(.unit)), default: "none",
                "Units that are active once the system has started. One that fails ends the test."),
            KeySchema("timeout", .text(.duration), default: "`2m`", "How long starting may take."),
        ])

    init(_ mapping: CheckedMapping) throws(ManifestError) {
        try requireDistinct(mapping.texts("units")) { "the unit '\($0)' of this test" }
        units = mapping.texts("units").map(\.value)
        timeout = mapping.text("timeout").flatMap { TextForm.seconds($0) } ?? 120
    }
}
