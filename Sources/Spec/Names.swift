/// Rules for names.
public enum Names {
    /// A volume or a snapshot of one: letters, digits, dots, dashes and underscores, 63 at most, a letter or digit first.
    public static func isVolume(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count) && name.utf8.first.map(isLetterOrDigit) == true
            && name.utf8.allSatisfy { isLetterOrDigit($0) || ".-_".utf8.contains($0) }
    }

    /// A task: a host name's label (RFC 1123, section 2.1).
    public static func isTask(_ name: String) -> Bool { isLabel(name, longest: 63) }

    /// A job: its replicas have a dash and a number behind.
    public static func isJob(_ name: String) -> Bool { isLabel(name, longest: 56) }

    /// A secret or a credential (systemd.exec(5)): letters, digits, `.`, `_` and `-`, 64 at most, not a dot first.
    public static func isSecret(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count) && name.first != "."
            && name.utf8.allSatisfy { isLetterOrDigit($0) || "._-".utf8.contains($0) }
    }

    private static func isLabel(_ name: String, longest: Int) -> Bool {
        (1...longest).contains(name.utf8.count) && name.first != "-" && name.last != "-"
            && name.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool { TextForm.isLetter(byte) || TextForm.isDigit(byte) }
}

extension TextForm {
    static let jobName = TextForm("a job's name", pattern: "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$") { text, _ in
        Names.isJob(text)
            ? nil : "'\(text)' can't be a job's name: use letters, digits and dashes, 56 at most, not a dash first or last"
    }

    static let imageName = TextForm("an image", pattern: "^[^ ]+$") { text, what in
        text.unicodeScalars.allSatisfy { $0.value > 32 && $0.value != 127 }
            ? nil : "\(what) must be a label, a name or a layer id without blanks, not '\(text)'"
    }

    public static let absolutePath = TextForm("an absolute path", pattern: "^/[^\\u0000]*$") { text, what in
        text.hasPrefix("/") ? nil : "\(what) must be an absolute path, not '\(text)'"
    }

    /// As the kernel takes them (environ(7)): programs make more of them than shells do.
    static let variable = TextForm("a variable's name", pattern: "^[^=\\u0000]+$") { text, _ in
        text.isEmpty || text.contains("=") ? "'\(text)' can't be a variable's name" : nil
    }

    static let capability = TextForm("a capability", pattern: "^[A-Za-z_]+$") { text, what in
        !text.isEmpty && text.utf8.allSatisfy { isLetter($0) || $0 == UInt8(ascii: "_") }
            ? nil : "\(what) must be a capability like SYS_PTRACE, not '\(text)'"
    }

    static let requestPath = TextForm("a path of a URL", pattern: "^/[^ ]*$") { text, what in
        text.hasPrefix("/") && text.unicodeScalars.allSatisfy { $0.value > 32 && $0.value < 127 }
            ? nil : "\(what) must begin with '/' and have no blanks, not '\(text)'"
    }

    /// systemd.unit(5): a name, perhaps an instance, and a type.
    static let unitName = TextForm(
        "a unit's name",
        pattern: #"^[A-Za-z0-9:_\\@][A-Za-z0-9:_.\\@-]*\.(service|socket|target|timer|path|mount|automount|slice|swap)$"#
    ) { text, what in
        let types = ["service", "socket", "target", "timer", "path", "mount", "automount", "slice", "swap"]
        let isName =
            types.contains { text.hasSuffix(".\($0)") } && !text.hasPrefix(".")
            && text.utf8.allSatisfy { isLetter($0) || isDigit($0) || ":_.\\@-".utf8.contains($0) }
        return isName ? nil : "\(what) must be a unit's name, like nginx.service, not '\(text)'"
    }
}
