import Glibc
import Linux
import Seccomp
import Testing

@Suite struct SystemCallFilterTests {
    @Test func aFilterIsReadAsItWasWritten() throws {
        let filter = try SystemCallFilter(capabilities: ["SYS_PTRACE"], refused: ["mount"])
        #expect(filter.programs.count == 2)
        #expect(SystemCallFilter(content: filter.content) == filter)
        for length in [0, 1, 4, 11, filter.content.count - 1] {
            #expect(SystemCallFilter(content: Array(filter.content.prefix(length))) == nil)
        }
    }

    #if arch(x86_64)
        /// Numbers of x86-64, i386 and x32: asm/unistd_64.h, asm/unistd_32.h, asm/unistd_x32.h.
        private static let (native, i386) = (UInt32(0xc000_003e), UInt32(0x4000_0003))
        private static let x32 = UInt32(0x4000_0000)
        private static let (allowed, refused) = (UInt32(0x7fff_0000), UInt32(0x0005_0001))

        @Test func callsAreAllowedByCapabilitiesAndRefusals() throws {
            let plain = try SystemCallFilter(capabilities: [], refused: [])
            let other = try SystemCallFilter(capabilities: ["SYS_PTRACE", "SYS_BOOT"], refused: ["mount", "unshare"])
            // read, openat, execve, mount, unshare, setresuid, capset
            for call: UInt32 in [0, 257, 59, 165, 272, 117, 126] { #expect(plain.answer(call, Self.native) == Self.allowed) }
            // bpf, keyctl, kexec_load, init_module, open_by_handle_at, perf_event_open, ptrace, reboot, a new one
            for call: UInt32 in [321, 250, 246, 175, 304, 298, 101, 169, 999] {
                #expect(plain.answer(call, Self.native) == Self.refused, "\(call)")
            }
            for call: UInt32 in [101, 169] { #expect(other.answer(call, Self.native) == Self.allowed) }
            for call: UInt32 in [165, 272] {
                #expect(other.answer(call, Self.native) == Self.refused)
                #expect(other.answer(call | Self.x32, Self.native) == Self.refused)
            }
            // mount, unshare, read of i386
            for (call, answer) in [(UInt32(21), Self.refused), (310, Self.refused), (3, Self.allowed)] {
                #expect(other.answer(call, Self.i386) == answer)
            }
            #expect(plain.answer(0, 0x4000_0028) == Self.refused)
        }

        @Test func requestsThatReachOutAreRefusedWhateverTheirUpperHalf() throws {
            let filter = try SystemCallFilter(capabilities: ["SYS_ADMIN"], refused: [])
            for refusing in [filter, try SystemCallFilter.refusals()] {
                for request: UInt64 in [0x5412, 0x541c, 0x5000_9417, 0x5000_9418, 0x5000_943f] {
                    for upper: UInt64 in [0, 1 << 32, 0xffff_ffff << 32] {
                        let arguments = [0, request | upper]
                        #expect(refusing.answer(16, Self.native, arguments) == Self.refused)
                        #expect(refusing.answer(514 | Self.x32, Self.native, arguments) == Self.refused)
                        #expect(refusing.answer(54, Self.i386, arguments) == Self.refused)
                    }
                }
                #expect(refusing.answer(16, Self.native, [0, 0x5413]) == Self.allowed)
                let audit: [UInt64] = [16, 3, 9]
                #expect(refusing.answer(41, Self.native, audit) == 0x0005_0000 + UInt32(EAFNOSUPPORT))
                #expect(refusing.answer(41, Self.native, [16, 3, 0]) == Self.allowed)
                // RDS, Bluetooth, NFC, vsock; Unix, IPv4, IPv6, packets.
                for family: UInt64 in [21, 31, 39, 40, 40 | 1 << 32] {
                    #expect(refusing.answer(41, Self.native, [family, 1, 0]) == 0x0005_0000 + UInt32(EAFNOSUPPORT))
                }
                for family: UInt64 in [1, 2, 10, 17] {
                    #expect(refusing.answer(41, Self.native, [family, 1, 0]) == Self.allowed)
                }
            }
        }

        @Test func syncsSucceedAtOnceAndOpenFlagsPass() throws {
            let filter = try SystemCallFilter.ignoringSyncs()
            // fsync, fdatasync, msync, sync, sync_file_range, syncfs; of i386 fsync and sync_file_range.
            for call: UInt32 in [74, 75, 26, 162, 277, 306] { #expect(filter.answer(call, Self.native) == 0x0005_0000) }
            for call: UInt32 in [118, 314] { #expect(filter.answer(call, Self.i386) == 0x0005_0000) }
            #expect(filter.answer(74 | Self.x32, Self.native) == 0x0005_0000)
            // open and openat with O_SYNC and O_DSYNC, openat2, write, pwritev2.
            for flags: UInt64 in [0x10_1000, 0x1000] {
                #expect(filter.answer(2, Self.native, [0, flags]) == Self.allowed)
                #expect(filter.answer(257, Self.native, [0, 0, flags]) == Self.allowed)
            }
            for call: UInt32 in [437, 1, 328] { #expect(filter.answer(call, Self.native) == Self.allowed) }
        }
    #endif
}

extension SystemCallFilter {
    /// What the kernel does about a call: the strictest answer of all programs.
    func answer(_ call: UInt32, _ architecture: UInt32, _ arguments: [UInt64] = []) -> UInt32 {
        var data = withUnsafeBytes(of: call) { Array($0) } + withUnsafeBytes(of: architecture) { Array($0) }
        data += [UInt8](repeating: 0, count: 8)
        for index in 0..<6 {
            data += withUnsafeBytes(of: index < arguments.count ? arguments[index] : 0) { Array($0) }
        }
        return programs.map { Self.run($0, data) }.min()!
    }

    /// A classic BPF machine, with what filters use of it (linux/bpf_common.h).
    private static func run(_ program: [UInt8], _ data: [UInt8]) -> UInt32 {
        func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
            (0..<4).reversed().reduce(0) { $0 << 8 | UInt32(bytes[offset + $1]) }
        }
        var (counter, accumulator) = (0, UInt32(0))
        while true {
            let start = counter * 8
            let (yes, no, value) = (Int(program[start + 2]), Int(program[start + 3]), word(program, start + 4))
            counter += 1
            switch UInt16(program[start]) | UInt16(program[start + 1]) << 8 {
            case 0x20: accumulator = word(data, Int(value))
            case 0x15: counter += accumulator == value ? yes : no
            case 0x25: counter += accumulator > value ? yes : no
            case 0x35: counter += accumulator >= value ? yes : no
            case 0x05: counter += Int(value)
            case 0x54: accumulator &= value
            case 0x06: return value
            case let code: fatalError("instruction \(code)")
            }
        }
    }
}
