import CLinux

/// A program of a few thousand bytes that becomes a user and then another program.
///
/// What it starts, with which arguments and variables, is in its file: none of it is on the command line of a runtime, which every
/// user of the host can read, or in the environment of a runtime, which would take some of it for its own. It needs nothing of the
/// image: it is a static ELF executable (elf(5)). It ends with 127 when there is no such program, and with 126 when something else
/// of it fails.
///
/// With an `endFile` it stays as the first process of a container: it reaps, passes signals on to the program, and ends as that does,
/// with 128 and the number for a signal. The wait status (wait(2)) is then in the file, which tells a signal from such a code. Its user
/// is the program's, so that `/proc/1/fd` is open to it.
public struct StartProgram: Sendable, Equatable {
    /// The user and the groups it becomes.
    public struct Identity: Sendable, Equatable {
        public var user: UInt32
        public var group: UInt32
        /// All its groups.
        public var groups: [UInt32]

        public init(user: UInt32, group: UInt32, groups: [UInt32]) {
            self.user = user
            self.group = group
            self.groups = groups
        }
    }

    /// Where a container has it.
    public static let path = "/run/host/dish-start"

    /// The path inside a container of the file for its program's end.
    public static let endPath = "/run/host/dish-end"

    /// Whether there is one for this machine.
    #if arch(x86_64)
        public static let isAvailable = true
    #else
        public static let isAvailable = false
    #endif

    /// The path inside of the file for the program's end; nil to become the program.
    public var endFile: String?
    /// Nil to stay who it is started as.
    public var identity: Identity?
    /// Paths inside that are tried in turn until there is one.
    public var candidates: [String]
    /// The arguments, the program's name first.
    public var arguments: [String]
    /// `NAME=VALUE`, the whole environment.
    public var environment: [String]

    public init(
        endFile: String? = nil, identity: Identity? = nil, candidates: [String], arguments: [String], environment: [String]
    ) {
        self.endFile = endFile
        self.identity = identity
        self.candidates = candidates
        self.arguments = arguments
        self.environment = environment
    }

    /// The paths at which a program is looked for: its own, or one in each directory of a search path.
    public static func candidates(for name: String, in searchPath: String) -> [String] {
        name.contains("/") ? [name] : searchPath.split(separator: ":").map { "\($0)/\(name)" }
    }

    private static let codeAddress: UInt64 = 0x40_0000
    private static let dataAddress: UInt64 = 0x80_0000
    private static let headers: UInt64 = 64 + 2 * 56

    /// The file's content: an ELF executable of two segments, code (`Sources/CLinux/start.c`) and what it is told.
    public var content: [UInt8] {
        let code = Self.code
        let offset = Self.headers + UInt64(code.count)
        var data = DataSection(start: Self.dataAddress + offset % 4096)
        // It begins with the table, whose size depends on nothing.
        data.content = [UInt8](repeating: 0, count: MemoryLayout<dish_start_table>.size)
        var table = dish_start_table()
        if let endFile { table.end_path = data.append(string: endFile) }
        if let identity {
            table.set_identity = 1
            (table.user, table.group, table.group_count) = (identity.user, identity.group, UInt32(identity.groups.count))
            table.groups = data.append(identity.groups.flatMap { Self.bytes($0) })
        }
        table.candidates = data.append(strings: candidates)
        table.arguments = data.append(strings: arguments)
        table.environment = data.append(strings: environment)
        table.mapped = offset % 4096 + UInt64(data.content.count)
        withUnsafeBytes(of: table) { data.content.replaceSubrange(0..<$0.count, with: $0) }
        return Self.header(code: UInt64(code.count), data: UInt64(data.content.count)) + code + data.content
    }

    /// The instructions that call the code with the table's address, and the code.
    private static var code: [UInt8] {
        let body = Array(UnsafeBufferPointer(start: dish_start_begin(), count: Int(dish_start_length())))
        // mov edi, table; call body; ud2. Aligned, so that the table behind it is.
        let entry: UInt64 = 16
        var length = entry + UInt64(body.count)
        length += (8 - length % 8) % 8
        let table = UInt32(dataAddress + (headers + length) % 4096)
        var code: [UInt8] = [0xbf] + bytes(table) + [0xe8] + bytes(UInt32(entry) - 10) + [0x0f, 0x0b]
        code += [UInt8](repeating: 0x90, count: Int(entry) - code.count) + body
        return code + [UInt8](repeating: 0x90, count: Int(length) - code.count)
    }

    private static func bytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    /// Arrays and the texts that they point to.
    private struct DataSection {
        let start: UInt64
        var content: [UInt8] = []

        /// - Returns: its address.
        mutating func append(_ bytes: [UInt8]) -> UInt64 {
            while !content.count.isMultiple(of: 8) { content.append(0) }
            let address = start + UInt64(content.count)
            content += bytes
            return address
        }

        mutating func append(string: String) -> UInt64 {
            let address = start + UInt64(content.count)
            content += Array(string.utf8) + [0]
            return address
        }

        /// - Returns: the address of the array of pointers, whose last is null.
        mutating func append(strings: [String]) -> UInt64 {
            let pointers = strings.map { append(string: $0) }
            return append((pointers + [0]).flatMap { StartProgram.bytes($0) })
        }
    }

    /// Elf64_Ehdr and two Elf64_Phdr: the code can be read and executed, the data read.
    private static func header(code: UInt64, data: UInt64) -> [UInt8] {
        var header: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
        header += bytes(UInt16(2)) + bytes(UInt16(62)) + bytes(UInt32(1))  // ET_EXEC, EM_X86_64, EV_CURRENT
        // Entry, phoff, shoff, flags.
        header += bytes(codeAddress + headers) + bytes(UInt64(64)) + bytes(UInt64(0)) + bytes(UInt32(0))
        for value: UInt16 in [64, 56, 2, 64, 0, 0] { header += bytes(value) }
        func segment(_ flags: UInt32, _ offset: UInt64, _ address: UInt64, _ size: UInt64) -> [UInt8] {
            bytes(UInt32(1)) + bytes(flags) + [offset, address, address, size, size, 4096].flatMap { bytes($0) }
        }
        let offset = headers + code
        header += segment(5, 0, codeAddress, offset)  // PF_R | PF_X
        return header + segment(4, offset, dataAddress + offset % 4096, data)  // PF_R
    }
}
