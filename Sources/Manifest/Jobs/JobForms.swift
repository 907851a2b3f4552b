import Spec

/// Forms of what a job consists of.
extension TextForm {
    /// A replica's name is a job's with a dash and a number, and is a host name.
    static let jobName = TextForm("a job's name", pattern: "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$") { text, _ in
        let isFine =
            (1...56).contains(text.utf8.count) && text.first != "-" && text.last != "-"
            && text.utf8.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
        return isFine
            ? nil : "'\(text)' can't be a job's name: use letters, digits and dashes, 56 at most, not a dash first or last"
    }

    static let imageName = TextForm("an image", pattern: "^[^ ]+$") { text, what in
        !text.isEmpty && text.unicodeScalars.allSatisfy { $0.value > 32 && $0.value != 127 }
            ? nil : "\(what) must be a label, a name or a layer id without blanks, not '\(text)'"
    }

    static let publishedPort = TextForm(
        "a published port", pattern: #"^(([0-9]+(\.[0-9]+){3}|\[[0-9A-Fa-f:.]+\]):)?[0-9]+:[0-9]+(/(tcp|udp))?$"#
    ) { text, _ in
        JobPort(text) != nil
            ? nil
            : "'\(text)' is no port to publish; write HOST:TASK, like 8080:80, 127.0.0.1:8080:80, [::1]:8080:80 or 53:53/udp"
    }

    static let volumeMount = TextForm("a volume and a path", pattern: "^[^:]+:/[^:]*(:[a-z]+)*$") { text, _ in
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let isFine =
            parts.count >= 2 && Label.isName(String(parts[0])) && path.fault(String(parts[1]), "") == nil
            && parts.dropFirst(2).allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(isLower) }
        return isFine ? nil : "'\(text)' is no volume for a task; write NAME:/path or NAME:/path:ro"
    }

    static let secretUse = TextForm("a secret's name", pattern: "^[A-Za-z0-9._-]+(=[A-Za-z0-9._-]+)?$") { text, _ in
        let parts = text.split(separator: "=", omittingEmptySubsequences: false)
        let isFine =
            (1...2).contains(parts.count)
            && parts.allSatisfy { Label.isName(String($0)) && $0.first != "." && $0.utf8.count <= 64 }
        return isFine ? nil : "'\(text)' names no secret; write NAME or CREDENTIAL=NAME, of letters, digits, '.', '_' and '-'"
    }

    static let capability = TextForm("a capability", pattern: "^[A-Za-z_]+$") { text, what in
        !text.isEmpty && text.utf8.allSatisfy { isLetter($0) || $0 == UInt8(ascii: "_") }
            ? nil : "\(what) must be a capability like SYS_PTRACE, not '\(text)'"
    }

    static let requestPath = TextForm("a path of a URL", pattern: "^/[^ ]*$") { text, what in
        text.hasPrefix("/") && text.unicodeScalars.allSatisfy { $0.value > 32 && $0.value < 127 }
            ? nil : "\(what) must begin with '/' and have no blanks, not '\(text)'"
    }
}

/// A port of the host: what makes two of them the same.
struct JobPort: Hashable {
    let address: String?
    let port: UInt16
    let transport: Substring

    /// From `[ADDRESS:]HOST:TASK[/tcp|/udp]`; nil for anything else.
    init?(_ text: String) {
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count <= 2 else { return nil }
        transport = halves.count == 2 ? halves[1] : "tcp"
        guard transport == "tcp" || transport == "udp" else { return nil }
        var rest = halves[0]
        var address: String?
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]"), rest[end...].hasPrefix("]:") {
            // Whether it is an address is for who has to do with addresses; here it must be told apart.
            let text = rest[rest.index(after: rest.startIndex)..<end]
            let isFine =
                (2...45).contains(text.utf8.count) && text.utf8.allSatisfy { Self.isHexadecimal($0) || $0 == 0x3A || $0 == 0x2E }
            guard isFine, text.contains(":") else { return nil }
            address = "[\(text.lowercased())]"
            rest = rest[rest.index(end, offsetBy: 2)...]
        }
        var fields = rest.split(separator: ":", omittingEmptySubsequences: false)
        if fields.count == 3, address == nil {
            let bytes = fields[0].split(separator: ".", omittingEmptySubsequences: false)
            guard bytes.count == 4, bytes.allSatisfy({ Self.number($0, as: UInt8.self) != nil }) else { return nil }
            address = fields[0] == "0.0.0.0" ? nil : String(fields[0])
            fields.removeFirst()
        }
        guard fields.count == 2, let port = Self.number(fields[0], as: UInt16.self), port > 0,
            let inside = Self.number(fields[1], as: UInt16.self), inside > 0
        else { return nil }
        self.address = address
        self.port = port
    }

    func conflicts(with other: JobPort) -> Bool {
        guard port == other.port, transport == other.transport else { return false }
        guard let address, let theirs = other.address else { return true }
        let (own, all) = ([address, theirs], "[::]")
        return address == theirs || own.contains(all) && own.allSatisfy { $0.hasPrefix("[") }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        TextForm.isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }

    private static func number<Number: FixedWidthInteger>(_ text: Substring, as type: Number.Type) -> Number? {
        (1...5).contains(text.utf8.count) && text.utf8.allSatisfy(TextForm.isDigit) ? Number(text) : nil
    }
}
