/// The key `systemd`: units and their switches, and the small files that systemd reads.
enum Systemd {
    static let key = KeySchema("systemd", .mapping(schema), "Units of systemd.")

    private static let schema = MappingSchema(
        "'systemd'", title: "systemd",
        [
            KeySchema("units", .list(of: .mapping(unit)), default: "none", "Units to install in `/etc/systemd/system`."),
            KeySchema(
                "enable", .list(of: .text(.unit)), default: "none",
                "Units to start with the system, of the image or its packages."),
            KeySchema("disable", .list(of: .text(.unit)), default: "none", "Units not to start with the system."),
            KeySchema("mask", .list(of: .text(.unit)), default: "none", "Units that can't be started at all."),
            KeySchema("drop_ins", .list(of: .mapping(dropIn)), default: "none", "Additions to units."),
            KeySchema("tmpfiles", .list(of: .mapping(tmpfiles)), default: "none", "What tmpfiles.d(5) makes at each boot."),
            KeySchema(
                "sysusers", .list(of: .mapping(sysusers)), default: "none", "Users that sysusers.d(5) makes at the first boot."),
        ])

    private static let unit = MappingSchema(
        "a unit", title: "systemd: units", oneOf: [["text", "source"]],
        [KeySchema("name", .text(.unit), required: true, "Its name, like `hello.service`.")] + FileContent.keys
            + [KeySchema("enable", .boolean, default: "`false`", "Whether it starts with the system.")])

    private static let dropIn = MappingSchema(
        "a drop-in", title: "systemd: drop_ins", oneOf: [["text", "source"]],
        [
            KeySchema("unit", .text(.unit), required: true, "The unit it adds to."),
            KeySchema(
                "name", .text(.configurationName), default: "`override.conf`", "The file's name in the unit's `.d` directory."),
        ] + FileContent.keys)

    private static let tmpfiles = configuration("an entry of 'tmpfiles'", "systemd: tmpfiles")
    private static let sysusers = configuration("an entry of 'sysusers'", "systemd: sysusers")

    private static func configuration(_ what: String, _ title: String) -> MappingSchema {
        MappingSchema(
            what, title: title, oneOf: [["text", "source"]],
            [KeySchema("name", .text(.configurationName), required: true, "The file's name.")] + FileContent.keys)
    }

    static func features(_ mapping: CheckedMapping, _ context: FeatureContext) throws(ManifestError) -> [Feature] {
        guard let systemd = try mapping.mapping(key.name) else { return [] }
        var features: [Feature] = []
        for entry in try systemd.mappings("units") {
            let name = entry.text("name") ?? ""
            features.append(try file(entry, "/etc/systemd/system/\(name)", context))
            if entry.isTrue("enable") == true {
                features.append(Feature(.unitSwitch(UnitSwitch(verb: .enable, unit: name)), at: entry.place(of: "enable")))
            }
        }
        for entry in try systemd.mappings("drop_ins") {
            let (unit, name) = (entry.text("unit") ?? "", entry.text("name") ?? "override.conf")
            features.append(try file(entry, "/etc/systemd/system/\(unit).d/\(name)", context))
        }
        for folder in ["tmpfiles", "sysusers"] {
            for entry in try systemd.mappings(folder) {
                features.append(try file(entry, "/usr/lib/\(folder).d/\(entry.text("name") ?? "")", context))
            }
        }
        for verb in UnitSwitch.Verb.allCases {
            features += systemd.texts(verb.rawValue).map {
                Feature(.unitSwitch(UnitSwitch(verb: verb, unit: $0.value)), at: $0.place)
            }
        }
        return features
    }

    private static func file(
        _ entry: CheckedMapping, _ path: String, _ context: FeatureContext
    ) throws(ManifestError) -> Feature {
        let file = File(path: path, content: try FileContent(entry, context), ownership: Ownership(entry, mode: 0o644))
        return Feature(.file(file), at: entry.place)
    }
}
