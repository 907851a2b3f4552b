import CSeccomp
import Glibc
import Linux

/// A filter that answers by a call's number alone: a tree of comparisons with the ends of ranges.
///
/// Tables of calls have long runs, and a program of 500
/// instructions instead of libseccomp's 1,200 is checked, compiled and cached by the kernel in half of the time, which is spent whenever a
/// command enters a container.
struct CallTree {
    private let allowed: UInt32
    private let refused: UInt32
    /// By the number that the kernel gives the architecture (linux/audit.h).
    private var calls: [UInt32: Set<UInt32>]

    /// - Parameters:
    ///   - allowed: the kernel's answer to the calls of this filter.
    ///   - refused: to all others, and to those of other architectures.
    ///   - calls: the numbers that are allowed, by the kernel's number of the architecture.
    init(allowed: UInt32, refused: UInt32, calls: [UInt32: Set<UInt32>] = [:]) {
        (self.allowed, self.refused, self.calls) = (allowed, refused, calls)
    }

    /// - Parameters:
    ///   - names: those that the architecture hasn't got are left out.
    ///   - architecture: of seccomp_arch_add(3); nil for the native one.
    mutating func allow(_ names: Set<String>, on architecture: String?) throws(SystemError) {
        let token = architecture.map { seccomp_arch_resolve_name($0) } ?? seccomp_arch_native()
        guard token != 0 else { throw SystemError("make a system call filter for", architecture ?? "", code: EINVAL) }
        // Calls that an architecture hasn't got have negative numbers. So have those that i386 makes through socketcall(2) and ipc(2),
        // though newer kernels know them by numbers of their own, too.
        let named = names.map { seccomp_syscall_resolve_name_arch(token, $0) }.filter { $0 >= 0 }
        let first = token == Self.x32 ? Self.x32Bit : 0
        let numbered = (first..<first + Self.mostCalls).filter { number in
            guard let name = seccomp_syscall_resolve_num_arch(token, number) else { return false }
            defer { free(name) }
            return names.contains(String(cString: name))
        }
        calls[token == Self.x32 ? Self.x86 : token, default: []].formUnion((named + numbered).map(UInt32.init))
    }

    /// For the kernel x32 is x86-64 with a bit in the numbers of its calls; for the library it is an architecture.
    private static let (x86, x32, x32Bit) = (UInt32(0xc000_003e), UInt32(0x4000_003e), Int32(0x4000_0000))

    /// More than any table has.
    private static let mostCalls: Int32 = 1024

    /// An array of `struct sock_filter`.
    func program() -> [UInt8] {
        // struct seccomp_data: the architecture is its second word, the call's number the first.
        var instructions: [Instruction] = [.load(4)]
        for (architecture, numbers) in calls.sorted(by: { $0.key < $1.key }) {
            let part = [.load(0)] + tree(Self.ends(of: numbers)[...], isAllowed: numbers.contains(0))
            instructions += Instruction.ifEqual(architecture, part.count) + part
        }
        return (instructions + [.answer(refused)]).flatMap(\.bytes)
    }

    /// The numbers from which on the answer is the other one than before.
    private static func ends(of numbers: Set<UInt32>) -> [UInt32] {
        numbers.flatMap { number in
            (number > 0 && !numbers.contains(number - 1) ? [number] : [])
                + (numbers.contains(number + 1) ? [] : [number + 1])
        }
        .sorted()
    }

    /// - Parameter isAllowed: the answer below the first end.
    private func tree(_ ends: ArraySlice<UInt32>, isAllowed: Bool) -> [Instruction] {
        guard !ends.isEmpty else { return [.answer(isAllowed ? allowed : refused)] }
        let middle = ends.startIndex + ends.count / 2
        let below = tree(ends[..<middle], isAllowed: isAllowed)
        let isAllowedAbove = isAllowed != ((middle - ends.startIndex).isMultiple(of: 2))
        let above = tree(ends[(middle + 1)...], isAllowed: isAllowedAbove)
        return Instruction.ifBelow(ends[middle], below.count) + below + above
    }
}

/// One of a classic BPF program (linux/filter.h, linux/bpf_common.h).
private struct Instruction {
    let code: UInt16
    let ifTrue: UInt8
    let ifFalse: UInt8
    let value: UInt32

    /// BPF_LD | BPF_W | BPF_ABS
    static func load(_ offset: UInt32) -> Instruction { Instruction(code: 0x20, ifTrue: 0, ifFalse: 0, value: offset) }

    /// BPF_RET | BPF_K
    static func answer(_ action: UInt32) -> Instruction { Instruction(code: 0x06, ifTrue: 0, ifFalse: 0, value: action) }

    /// BPF_JMP | BPF_JEQ: the next `count` instructions are for this value.
    static func ifEqual(_ value: UInt32, _ count: Int) -> [Instruction] {
        [Instruction(code: 0x15, ifTrue: 1, ifFalse: 0, value: value), .skip(count)]
    }

    /// BPF_JMP | BPF_JGE: the next `count` instructions are for what is less than the value. A comparison skips no more than 255.
    static func ifBelow(_ value: UInt32, _ count: Int) -> [Instruction] {
        if let short = UInt8(exactly: count) { return [Instruction(code: 0x35, ifTrue: short, ifFalse: 0, value: value)] }
        return [Instruction(code: 0x35, ifTrue: 0, ifFalse: 1, value: value), .skip(count)]
    }

    /// BPF_JMP | BPF_JA
    private static func skip(_ count: Int) -> Instruction {
        Instruction(code: 0x05, ifTrue: 0, ifFalse: 0, value: UInt32(count))
    }

    var bytes: [UInt8] {
        withUnsafeBytes(of: code) { Array($0) } + [ifTrue, ifFalse] + withUnsafeBytes(of: value) { Array($0) }
    }
}
