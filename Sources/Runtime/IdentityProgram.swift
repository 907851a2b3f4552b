/// A program of some two hundred bytes that becomes a user and then another program.
///
/// systemd-nspawn asks getent(1) of the image for a user's ids, which small images haven't got, and knows no numbers. This needs nothing
/// of the image: it is a static ELF executable (elf(5)) with the ids in it. Its arguments are the path of the program, then that
/// program's own, the name first. It ends with 126 when something of that fails.
public enum IdentityProgram {
    /// Where a container has it.
    public static let path = "/run/dish-as-user"

    /// Whether there is one for this machine.
    #if arch(x86_64)
        public static let isAvailable = true
    #else
        public static let isAvailable = false
    #endif

    private static let base: UInt32 = 0x40_0000
    private static let headers = 64 + 56

    /// The file's content: setgroups(2), setresgid(2), setresuid(2), execve(2) for x86-64.
    public static func content(_ identity: Container.Identity) -> [UInt8] {
        var code: [UInt8] = []
        var failures: [Int] = []
        func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
        /// `test eax, eax; jnz` to the end, which is filled in later.
        func check() {
            code += [0x85, 0xc0, 0x75, 0]
            failures.append(code.count - 1)
        }
        code += [0x48, 0x89, 0xe3]  // mov rbx, rsp
        code += [0xb8] + number(116) + [0xbf] + number(UInt32(identity.groups.count))  // mov eax, SYS_setgroups; mov edi, count
        let groupsAddress = code.count + 1
        code += [0xbe] + number(0) + [0x0f, 0x05]  // mov esi, groups; syscall
        check()
        for (call, id) in [(UInt32(119), identity.group), (117, identity.user)] {  // SYS_setresgid, SYS_setresuid
            code += [0xb8] + number(call) + [0xbf] + number(id)  // mov eax, call; mov edi, id
            code += [0x89, 0xfe, 0x89, 0xfa, 0x0f, 0x05]  // mov esi, edi; mov edx, edi; syscall
            check()
        }
        code += [0x48, 0x8b, 0x03]  // mov rax, [rbx]           argc
        code += [0x48, 0x8b, 0x7b, 0x10]  // mov rdi, [rbx + 16]      argv[1]
        code += [0x48, 0x8d, 0x73, 0x18]  // lea rsi, [rbx + 24]      &argv[2]
        code += [0x48, 0x8d, 0x54, 0xc3, 0x10]  // lea rdx, [rbx + rax * 8 + 16]  the environment
        code += [0xb8] + number(59) + [0x0f, 0x05]  // mov eax, SYS_execve; syscall
        for place in failures { code[place] = UInt8(code.count - place - 1) }
        code += [0xbf] + number(126) + [0xb8] + number(231) + [0x0f, 0x05]  // mov edi, 126; mov eax, SYS_exit_group; syscall
        while !code.count.isMultiple(of: 4) { code.append(0) }
        let groups = base + UInt32(headers + code.count)
        code.replaceSubrange(groupsAddress..<groupsAddress + 4, with: number(groups))
        code += identity.groups.flatMap(number)
        return header(code.count) + code
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
