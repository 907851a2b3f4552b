/// A program of a few hundred bytes that becomes a user and then another program.
///
/// What it starts, with which arguments and variables, is in its file: none of it is on the command line of a runtime, which every
/// user of the host can read, or in the environment of a runtime, which would take some of it for its own. It needs nothing of the
/// image: it is a static ELF executable (elf(5)). It ends with 127 when there is no such program, and with 126 when something else
/// of it fails.
public struct StartProgram: Sendable, Equatable {
    /// The user and the groups it becomes.
    public struct Identity: Sendable, Codable, Equatable {
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
    public static let path = "/run/dish-start"

    /// Whether there is one for this machine.
    #if arch(x86_64)
        public static let isAvailable = true
    #else
        public static let isAvailable = false
    #endif

    /// Nil to stay who it is started as.
    public var identity: Identity?
    /// Paths inside that are tried in turn until there is one.
    public var candidates: [String]
    /// The arguments, the program's name first.
    public var arguments: [String]
    /// `NAME=VALUE`, the whole environment.
    public var environment: [String]

    public init(identity: Identity? = nil, candidates: [String], arguments: [String], environment: [String]) {
        self.identity = identity
        self.candidates = candidates
        self.arguments = arguments
        self.environment = environment
    }

    /// The paths at which a program is looked for: its own, or one in each directory of a search path.
    public static func candidates(for name: String, in searchPath: String) -> [String] {
        name.contains("/") ? [name] : searchPath.split(separator: ":").map { "\($0)/\(name)" }
    }

    private static let base: UInt32 = 0x40_0000
    private static let headers = 64 + 56

    /// The file's content for x86-64: setgroups(2), setresgid(2), setresuid(2), then execve(2) of each candidate.
    public var content: [UInt8] {
        // The addresses depend on the length of the code alone, and that doesn't depend on them.
        let length = code(DataAddresses()).count
        var data = DataSection(start: Self.base + UInt32(Self.headers + length))
        var addresses = DataAddresses()
        addresses.groups = data.append((identity?.groups ?? []).flatMap(Self.bytes))
        addresses.candidates = data.append(strings: candidates)
        addresses.arguments = data.append(strings: arguments)
        addresses.environment = data.append(strings: environment)
        return Self.header(length + data.content.count) + code(addresses) + data.content
    }

    private struct DataAddresses {
        var groups: UInt32 = 0
        var candidates: UInt32 = 0
        var arguments: UInt32 = 0
        var environment: UInt32 = 0
    }

    private func code(_ data: DataAddresses) -> [UInt8] {
        var code: [UInt8] = []
        if let identity {
            code += Self.call(116) + [0xbf] + Self.bytes(UInt32(identity.groups.count))  // mov eax, SYS_setgroups; mov edi, count
            code += [0xbe] + Self.bytes(data.groups) + [0x0f, 0x05] + Self.endOnFailure  // mov esi, groups; syscall
            for (number, id) in [(UInt32(119), identity.group), (117, identity.user)] {  // SYS_setresgid, SYS_setresuid
                code += Self.call(number) + [0xbf] + Self.bytes(id)  // mov eax, number; mov edi, id
                code += [0x89, 0xfe, 0x89, 0xfa, 0x0f, 0x05] + Self.endOnFailure  // mov esi, edi; mov edx, edi; syscall
            }
        }
        code += [0x41, 0xbc] + Self.bytes(data.candidates)  // mov r12d, candidates
        code += [0xbb] + Self.bytes(127)  // mov ebx, 127
        // mov esi, arguments; mov edx, environment
        var attempt: [UInt8] = [0xbe] + Self.bytes(data.arguments) + [0xba] + Self.bytes(data.environment)
        attempt += Self.call(59) + [0x0f, 0x05]  // mov eax, SYS_execve; syscall
        attempt += [0x83, 0xf8, 0xfe, 0x74, 10]  // cmp eax, -ENOENT; je next
        attempt += [0x83, 0xf8, 0xec, 0x74, 5]  // cmp eax, -ENOTDIR; je next
        attempt += [0xbb] + Self.bytes(126)  // mov ebx, 126
        attempt += [0x49, 0x83, 0xc4, 0x08]  // next: add r12, 8
        let again: [UInt8] = [0x49, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff]  // again: mov rdi, [r12]; test rdi, rdi
        code += again + [0x74, UInt8(attempt.count + 2)] + attempt  // jz end
        code += [0xeb, UInt8(truncatingIfNeeded: -(again.count + 2 + attempt.count + 2))]  // jmp again
        code += [0x89, 0xdf] + Self.call(231) + [0x0f, 0x05]  // end: mov edi, ebx; mov eax, SYS_exit_group; syscall
        while !code.count.isMultiple(of: 8) { code.append(0) }
        return code
    }

    private static func call(_ number: UInt32) -> [UInt8] { [0xb8] + bytes(number) }  // mov eax, number

    /// `test eax, eax; jz on; mov edi, 126; mov eax, SYS_exit_group; syscall`.
    private static let endOnFailure: [UInt8] = [0x85, 0xc0, 0x74, 12, 0xbf] + bytes(126) + call(231) + [0x0f, 0x05]

    private static func bytes(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

    /// What follows the code: arrays and the texts that they point to.
    private struct DataSection {
        let start: UInt32
        var content: [UInt8] = []

        /// - Returns: its address.
        mutating func append(_ bytes: [UInt8]) -> UInt32 {
            while !(content.count + headers).isMultiple(of: 8) { content.append(0) }
            let address = start + UInt32(content.count)
            content += bytes
            return address
        }

        /// - Returns: the address of the array of pointers, whose last is null.
        mutating func append(strings: [String]) -> UInt32 {
            let pointers = strings.map { text in
                let address = start + UInt32(content.count)
                content += Array(text.utf8) + [0]
                return UInt64(address)
            }
            return append((pointers + [0]).flatMap { pointer in (0..<8).map { UInt8(truncatingIfNeeded: pointer >> ($0 * 8)) } })
        }
    }

    /// Elf64_Ehdr and the one Elf64_Phdr: all of the file, readable and executable.
    private static func header(_ count: Int) -> [UInt8] {
        func bytes(_ value: UInt64, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
        let (start, size) = (UInt64(base), UInt64(headers + count))
        var header: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
        header += bytes(2, 2) + bytes(62, 2) + bytes(1, 4)  // ET_EXEC, EM_X86_64, EV_CURRENT
        header += bytes(start + UInt64(headers), 8) + bytes(64, 8) + bytes(0, 8) + bytes(0, 4)  // entry, phoff, shoff, flags
        header += bytes(64, 2) + bytes(56, 2) + bytes(1, 2) + bytes(64, 2) + bytes(0, 2) + bytes(0, 2)
        header += bytes(1, 4) + bytes(5, 4) + bytes(0, 8)  // PT_LOAD, PF_R | PF_X, offset
        header += bytes(start, 8) + bytes(start, 8) + bytes(size, 8) + bytes(size, 8) + bytes(4096, 8)
        return header
    }
}
