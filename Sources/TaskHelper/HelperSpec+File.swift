import Cgroups
import Glibc
public import Linux
public import Spec

extension HelperSpec {
    /// Where a helper finds this.
    public var file: String { "\(runtimeDirectory)/spec-\(generation)" }

    /// Writes the file.
    ///
    /// - Throws: `SystemError` with `EINVAL` for what a helper would not take.
    public func write() throws(SystemError) {
        do throws(FieldFault) {
            try check()
        } catch {
            throw SystemError("start the helper of task '\(id)' with '\(error.path)': it \(error.reason)", code: EINVAL)
        }
        try Files.makeDirectories(runtimeDirectory, mode: 0o700)
        try Files.replace(file, with: json.text, mode: 0o600, durable: false)
    }

    /// Takes what a file says.
    ///
    /// - Returns: nil when something is missing, unknown or out of its bounds: a limit that is misread would be no limit.
    public init?(text: [UInt8]) {
        guard text.count <= Self.longestFile, let json = JSONValue(text: text), let spec = try? HelperSpec(checking: json) else {
            return nil
        }
        self = spec
    }

    /// Bytes. What a task is started with has 2 MiB at most (`RequestGate`), of which each can become six here.
    public static let longestFile = 32 << 20
}

extension HelperSpec: Settings {
    public static let name = "HelperSpec"
    public static let about = "What a helper is told."

    public init() { self.init(id: "", name: "", stateDirectory: "", runtimeDirectory: "", log: "", program: []) }

    public static let fields: [Field<HelperSpec>] = [
        .text("id", \.id, .any, 1...64, "The task's id.").required(),
        .text("name", \.name, .any, 1...64, "The task's name.").required(),
        .count("generation", \.generation, 1...Int64.max, "The number of the run.").required(),
        .text("state", \.stateDirectory, .absolutePath, paths, "The directory of `running` and `exit`.").required(),
        .text("run", \.runtimeDirectory, .absolutePath, paths, "The directory of the socket.").required(),
        .text("log", \.log, .absolutePath, paths, "The console log.").required(),
        .count("logSize", \.logSize, 0...Int64.max, "Bytes at which the log is rotated."),
        .count("logFiles", \.logFiles, 0...1000, "Number of rotated logs."),
        .flag("terminal", \.terminal, default: "false", "The program has a terminal."),
        .flag("input", \.input, default: "false", "Standard input stays open."),
        .flag("waits", \.waitsForClient, default: "false", "Output waits for a client."),
        .flag("boots", \.boots, default: "false", "The container has an init of its own."),
        .count("stopSignal", \.stopSignal, 1...64, "The signal that asks the program to end."),
        .flag("durable", \.durable, default: "true", "The exit reaches the disk first."),
        .text("network", \.networkNamespace, .absolutePath, paths, "The network namespace."),
        .settings("limits", \.limits.limits, "Limits of the control group."),
        .texts("disks", \.limits.disks, .diskNumber, 3...21, count: 0...4096, "Disks that limits of I/O apply to."),
        .count("oomScore", \.oomScore, -1000...1000, "The value of oom_score_adj."),
        .list("mounts", \.mounts, atMost: most, "Files of the host in `mountDirectory`."),
        .texts("private", \.privateDirectories, .any, 1...4096, count: 0...most, "Directories that are empty for the program."),
        .table("files", \.files, names: .any, texts, atMost: most, "Files in those directories."),
        .optional("start", \.start, "The file `start`."),
        .count("userBase", \.userBase, 0...Int64(UInt32.max), "The host's id of the container's root."),
        .table("credentials", \.credentials, names: .any, 1...4096, atMost: most, "Files of credentials, by name."),
        .written("filters", \.filterTexts, texts, atMost: 64, "Filters of system calls."),
        .flag("devicePolicy", \.requiresDevicePolicy, default: "false", "Device limits are required."),
        .texts("program", \.program, .any, texts, count: 1...most, "The path and the arguments of the program.").required(),
    ]

    /// Elements of a list.
    static let most = 1 << 16
    /// Characters of a text.
    static let texts = 0...(2 << 20)
    static let paths = 0...4096

    private var filterTexts: [HexadecimalBytes] {
        get { filters.map { HexadecimalBytes(bytes: $0) } }
        set { filters = newValue.map(\.bytes) }
    }
}

extension HelperMount: Settings {
    public static let name = "HelperMount"
    public static let about = "A directory or file of the host that a program finds in its mount directory."

    public init() { self.init("", base: "") }

    public static let fields: [Field<HelperMount>] = [
        .text("name", \.name, .any, 1...255, "The name of the file.").required(),
        .text("base", \.base, .absolutePath, HelperSpec.paths, "A path that the host trusts.").required(),
        .text("path", \.path, .any, HelperSpec.paths, "The path below the base."),
        .flag("baseIsRoot", \.baseIsRoot, default: "false", "Links are followed with the base as the root directory."),
        .flag("baseIsResolved", \.baseIsResolved, default: "false", "The base has no symbolic links."),
    ]
}

extension StartProgram: Settings {
    public static let name = "StartProgram"
    public static let about = "A program that becomes a user and then another program."

    public init() { self.init(candidates: [], arguments: [], environment: []) }

    public static let fields: [Field<StartProgram>] = [
        .text("endFile", \.endFile, .absolutePath, HelperSpec.paths, "The path inside of the file for the end."),
        .optional("identity", \.identity, "The user and the groups."),
        .texts("candidates", \.candidates, .any, HelperSpec.texts, count: 0...HelperSpec.most, "Paths to try.").required(),
        .texts("arguments", \.arguments, .any, HelperSpec.texts, count: 0...HelperSpec.most, "The arguments.").required(),
        .texts("environment", \.environment, .any, HelperSpec.texts, count: 0...HelperSpec.most, "The variables.").required(),
    ]
}

extension StartProgram.Identity: Settings {
    public static let name = "Identity"
    public static let about = "A user and its groups."

    public init() { self.init(user: 0, group: 0, groups: []) }

    private static let ids = 0...Int64(UInt32.max)

    public static let fields: [Field<StartProgram.Identity>] = [
        .count("user", \.user, ids, "The number of the user.").required(),
        .count("group", \.group, ids, "The number of the group.").required(),
        .counts("groups", \.groups, ids, atMost: HelperSpec.most, "The numbers of all groups.").required(),
    ]
}

extension TextForm {
    fileprivate static let diskNumber = TextForm("the number of a disk", pattern: "^[0-9]+:[0-9]+$") { text, what in
        let numbers = text.split(separator: ":", omittingEmptySubsequences: false)
        return numbers.count == 2 && numbers.allSatisfy { UInt32($0) != nil } ? nil : "\(what) must be MAJOR:MINOR, not '\(text)'"
    }
}

/// Bytes as two hexadecimal digits each.
private struct HexadecimalBytes: Written {
    let bytes: [UInt8]

    static let form = TextForm("hexadecimal digits", pattern: "^([0-9a-f]{2})*$")

    init(bytes: [UInt8]) { self.bytes = bytes }

    init(parsing text: String) throws(FieldFault) {
        guard let bytes = [UInt8](hexadecimal: text) else { throw FieldFault("", "must be pairs of hexadecimal digits") }
        self.bytes = bytes
    }

    var description: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

extension [UInt8] {
    /// - Returns: nil for what isn't pairs of hexadecimal digits.
    public init?(hexadecimal text: String) {
        let digits = text.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
        self = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard index + 1 < digits.count, let high = digits[index], let low = digits[index + 1] else { return nil }
            append(UInt8(high << 4 | low))
        }
    }
}
