import Spec

/// Forms of what exists inside a system: paths, accounts, packages, units.
extension TextForm {
    /// Without `.`, `..`, or a slash at its end.
    static let path = TextForm("an absolute path", pattern: "^/[^\\u0000]*[^/]$") { text, _ in
        let parts = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        let isFine =
            text.hasPrefix("/") && text.utf8.count < 4096 && !text.utf8.contains(0)
            && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count < 256 }
        return isFine ? nil : "'\(text)' must be an absolute path without '.', '..' or a slash at its end"
    }

    static let source = TextForm("a path below the file's folder", pattern: "^[^/]") { text, _ in
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        return !text.isEmpty && !text.hasPrefix("/") && !parts.contains("..") && !text.utf8.contains(0)
            ? nil : "'\(text)' must be a path below the folder of this file, without '..'"
    }

    static let mode = TextForm("octal digits", pattern: "^[0-7]{3,5}$") { text, what in
        guard let mode = UInt32(text, radix: 8), mode <= 0o7777, (3...5).contains(text.utf8.count) else {
            return "\(what) must be octal digits like 0644, not '\(text)'"
        }
        return nil
    }

    /// A user's or group's name as useradd(8) allows it.
    static let account = TextForm("a user's or group's name", pattern: "^[a-z_][a-z0-9_-]{0,31}$") { text, _ in
        isAccount(text) ? nil : "'\(text)' can't be a user's or group's name: use a-z, 0-9, '_' and '-', 32 at most"
    }

    static let owner = TextForm("a name or a number", pattern: "^([a-z_][a-z0-9_-]{0,31}|[0-9]+)$") { text, what in
        UInt32(text) != nil && !text.hasPrefix("+") ? nil : account.fault(text, what)
    }

    private static func isAccount(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.enumerated().allSatisfy { index, byte in
                isLower(byte) || byte == UInt8(ascii: "_") || index > 0 && (isDigit(byte) || byte == UInt8(ascii: "-"))
            }
    }

    /// A field of passwd(5).
    static let field = TextForm("a text without ':'", pattern: "^[^:]*$") { text, what in
        text.unicodeScalars.allSatisfy { $0 != ":" && $0.value >= 32 && $0.value != 127 }
            ? nil : "\(what) can't contain ':' or control characters"
    }

    /// Debian Policy 5.6.1 and 5.6.12.
    static let package = TextForm("a package, perhaps `name=version`", pattern: #"^[a-z0-9][a-z0-9+.-]+(=.+)?$"#) { text, _ in
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let version = parts.count == 2 ? parts[1] : "0"
        let isFine =
            isPackage(parts.first ?? "") && !version.isEmpty
            && version.utf8.allSatisfy { isLetter($0) || isDigit($0) || ".+-~:".utf8.contains($0) }
        return isFine ? nil : "'\(text)' is not a Debian package's name (or name=version)"
    }

    static let packageName = TextForm("a package's name", pattern: #"^[a-z0-9][a-z0-9+.-]+$"#) { text, _ in
        isPackage(text[...]) ? nil : "'\(text)' is not a Debian package's name"
    }

    private static func isPackage(_ name: Substring) -> Bool {
        guard let first = name.utf8.first, name.utf8.count >= 2, isLower(first) || isDigit(first) else { return false }
        return name.utf8.allSatisfy { isLower($0) || isDigit($0) || "+-.".utf8.contains($0) }
    }

    /// systemd.unit(5): a name, perhaps an instance, and a type.
    static let unit = TextForm(
        "a unit's name",
        pattern: #"^[A-Za-z0-9:_\\@][A-Za-z0-9:_.\\@-]*\.(service|socket|target|timer|path|mount|automount|slice|swap)$"#
    ) { text, _ in
        let types = ["service", "socket", "target", "timer", "path", "mount", "automount", "slice", "swap"]
        guard isFileName(text), let dot = text.lastIndex(of: "."), types.contains(String(text[text.index(after: dot)...]))
        else { return "'\(text)' is not a unit's name, like hello.service" }
        return nil
    }

    /// A file of a `.d` directory.
    static let configurationName = TextForm(
        "a file's name that ends in `.conf`", pattern: #"^[A-Za-z0-9:_@-][A-Za-z0-9:_.@-]*\.conf$"#
    ) {
        text, _ in
        isFileName(text) && text.hasSuffix(".conf") && text.utf8.count > 5
            ? nil : "'\(text)' is not a configuration file's name, like 10-hello.conf"
    }

    private static func isFileName(_ text: String) -> Bool {
        guard (2...255).contains(text.utf8.count), !text.hasPrefix("-"), !text.hasPrefix(".") else { return false }
        return text.utf8.allSatisfy { isLetter($0) || isDigit($0) || ":-_.\\@".utf8.contains($0) }
    }

    /// One line of authorized_keys(5), without options.
    static let publicKey = TextForm("a public key", pattern: "^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?$") { text, _ in
        let words = text.split(separator: " ", maxSplits: 2)
        let isFine =
            words.count >= 2 && ["ssh-", "ecdsa-", "sk-"].contains { words[0].hasPrefix($0) } && words[1].utf8.count >= 32
            && words[1].utf8.allSatisfy { isLetter($0) || isDigit($0) || "+/=".utf8.contains($0) }
            && text.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }
        return isFine ? nil : "'\(text.prefix(40))' is not a public key, like the line of a file id_ed25519.pub"
    }

    /// environ(7): anything but `=`; what shells can use.
    static let variable = TextForm("a variable's name", pattern: "^[A-Za-z_][A-Za-z0-9_]*$") { text, _ in
        guard let first = text.utf8.first, isLetter(first) || first == UInt8(ascii: "_"),
            text.utf8.allSatisfy({ isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "_") })
        else { return "'\(text)' can't be a variable's name: use letters, digits and '_'" }
        return nil
    }

    static let labelKey = TextForm("a key", pattern: "^[A-Za-z0-9._/-]+$") { text, _ in
        !text.isEmpty && text.utf8.allSatisfy { isLetter($0) || isDigit($0) || "._/-".utf8.contains($0) }
            ? nil : "'\(text)' can't be a label's key: use letters, digits, '.', '_', '-' and '/'"
    }
}
