import CLinux
import CSeccomp
import Glibc
public import Linux

/// Filters of system calls for the kernel (seccomp(2)), for all kinds of programs that the processor runs.
public struct SystemCallFilter: Sendable, Equatable {
    /// Another one makes other filters of the same.
    public static let version = 5

    /// Each is an array of `struct sock_filter`, to be installed in this order.
    public let programs: [[UInt8]]

    /// The filter of whatever enters a container that systemd-nspawn has started: what that allows with these capabilities, without
    /// the calls that are refused and those of `refusals`.
    ///
    /// - Parameters:
    ///   - capabilities: without `CAP_`.
    ///   - refused: names of system calls; those that an architecture hasn't got are left out there.
    public init(capabilities: Set<String>, refused: [String]) throws(SystemError) {
        let always = AllowedCalls.always.split(whereSeparator: \.isWhitespace).map(String.init)
        let more = AllowedCalls.byCapability.filter { capabilities.contains($0.key) }.flatMap(\.value)
        let allowed = Set(always + more).subtracting(refused)
        var tree = CallTree(allowed: Self.allow, refused: Self.refusal)
        for architecture in [nil] + Self.otherArchitectures { try tree.allow(allowed, on: architecture) }
        programs = [tree.program(), try Self.refusingProgram()]
    }

    init(programs: [[UInt8]]) { self.programs = programs }

    /// What no container may do and systemd-nspawn lets pass: making subvolumes outside of their quota group, removing others' subvolumes, pushing input
    /// into a terminal, audit sockets, sockets of families that have no namespaces, rings of I/O, and looking into how the kernel keeps other
    /// processes. Everything else is allowed.
    public static func refusals() throws(SystemError) -> SystemCallFilter {
        SystemCallFilter(programs: [try refusingProgram()])
    }

    /// Calls that wait for the disk return at once, as if all had been written: for work that is thrown away unless it ends well.
    ///
    /// Flags of open(2) stay as they are. A file that is opened for synchronous writing is written so, and openat2(2) works, which
    /// systemd-nspawn's `--suppress-sync=` refuses both.
    public static func ignoringSyncs() throws(SystemError) -> SystemCallFilter {
        let rules = try Rules(otherwise: allow)
        try rules.addArchitectures(otherArchitectures)
        for name in ["fdatasync", "fsync", "msync", "sync", "sync_file_range", "sync_file_range2", "syncfs"] {
            // An error number of zero is success.
            try rules.add(action, name)
        }
        return SystemCallFilter(programs: [try rules.program()])
    }

    private static func refusingProgram() throws(SystemError) -> [UInt8] {
        let rules = try Rules(otherwise: allow)
        // i386 has socketcall(2), whose arguments no filter sees.
        try rules.addArchitectures(otherArchitectures.filter { $0 != "x86" })
        let audit = [
            // The kernel looks at 32 bits of each.
            scmp_arg_cmp(arg: 0, op: SCMP_CMP_MASKED_EQ, datum_a: 0xffff_ffff, datum_b: UInt64(AF_NETLINK)),
            scmp_arg_cmp(arg: 2, op: SCMP_CMP_MASKED_EQ, datum_a: 0xffff_ffff, datum_b: 9 /* NETLINK_AUDIT: linux/netlink.h */),
        ]
        try rules.add(action + UInt32(EAFNOSUPPORT), "socket", audit)
        for family in familiesOfTheMachine {
            let value = scmp_arg_cmp(arg: 0, op: SCMP_CMP_MASKED_EQ, datum_a: 0xffff_ffff, datum_b: family)
            try rules.add(action + UInt32(EAFNOSUPPORT), "socket", [value])
        }
        try rules.addArchitectures(otherArchitectures.filter { $0 == "x86" })
        // A ring of I/O makes sockets that no filter sees.
        for name in ["io_uring_setup", "io_uring_enter", "io_uring_register", "kcmp", "userfaultfd"] {
            try rules.add(refusal, name)
        }
        for request in refusedRequests {
            // The kernel looks at no more than 32 bits of it.
            let value = scmp_arg_cmp(
                arg: 1, op: SCMP_CMP_MASKED_EQ, datum_a: 0xffff_ffff, datum_b: UInt64(request) & 0xffff_ffff)
            try rules.add(refusal, "ioctl", [value])
        }
        return try rules.program()
    }

    /// Two of Btrfs can put a new subvolume into any quota group, the third remove any subvolume of the file system by its number, which
    /// `user_subvol_rm_allowed` gives to user 0 without a user namespace; TIOCSTI and TIOCLINUX (ioctl_tty(2)) type into terminals.
    private static let refusedRequests: [UInt] = [
        DISH_BTRFS_SUBVOL_CREATE_V2, DISH_BTRFS_SNAP_CREATE_V2, DISH_BTRFS_SNAP_DESTROY_V2, UInt(TIOCSTI), 0x541c,
    ]

    /// Of linux/socket.h: RDS, Bluetooth, NFC and vsock. Their ports and devices are the whole machine's: network namespaces don't hold them.
    private static let familiesOfTheMachine: [UInt64] = [21, 31, 39, 40]

    /// Beside the native one, those whose programs the kernel may run, too.
    private static var otherArchitectures: [String] {
        #if arch(x86_64)
            ["x32", "x86"]
        #elseif arch(arm64)
            ["arm"]
        #else
            []
        #endif
    }

    // Actions: linux/seccomp.h.
    private static let allow: UInt32 = 0x7fff_0000
    private static let action: UInt32 = 0x0005_0000
    private static let refusal = action + UInt32(EPERM)
}

extension SystemCallFilter {
    /// As a file: before each program its length in bytes, as 32 bits, little-endian.
    public var content: [UInt8] {
        programs.flatMap { program in withUnsafeBytes(of: UInt32(program.count).littleEndian) { Array($0) } + program }
    }

    /// From such a file; nil for one that is damaged, or has no filter.
    public init?(content: [UInt8]) {
        var programs: [[UInt8]] = []
        var rest = content[...]
        while !rest.isEmpty {
            guard rest.count > 4 else { return nil }
            let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard length > 0, length % 8 == 0, length <= rest.count else { return nil }
            programs.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        guard !programs.isEmpty else { return nil }
        self.init(programs: programs)
    }
}

/// A filter that is being made (seccomp_init(3)).
private final class Rules {
    private let context: scmp_filter_ctx

    init(otherwise action: UInt32) throws(SystemError) {
        guard let context = seccomp_init(action) else { throw SystemError("make a system call filter", code: ENOMEM) }
        self.context = context
        try check(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, 0x0005_0000 + UInt32(EPERM)), "filter")
        // Calls are found by halving, instead of one after the other.
        try check(seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "filter")
    }

    deinit { seccomp_release(context) }

    /// For those rules that are added from now on.
    func addArchitectures(_ names: [String]) throws(SystemError) {
        for name in names { try check(seccomp_arch_add(context, seccomp_arch_resolve_name(name)), name) }
    }

    func add(_ action: UInt32, _ call: String, _ conditions: [scmp_arg_cmp] = []) throws(SystemError) {
        let number = seccomp_syscall_resolve_name(call)
        // Newer than the library, which then knows no number that could be allowed.
        guard number != __NR_SCMP_ERROR else { return }
        try check(seccomp_rule_add_array(context, action, number, UInt32(conditions.count), conditions), call)
    }

    func program() throws(SystemError) -> [UInt8] {
        let number = try retryingInterrupts("create file in memory") { dish_memory_file("filter") }
        let file = OwnedFD(adopting: number)
        try check(seccomp_export_bpf(context, file.number), "program")
        guard lseek(file.number, 0, SEEK_SET) == 0 else { throw SystemError("read a system call filter") }
        return try Files.read(file, "filter")
    }

    /// - Parameter result: a negative error number.
    private func check(_ result: CInt, _ what: String) throws(SystemError) {
        if result < 0 { throw SystemError("make a system call filter with", what, code: -result) }
    }
}
