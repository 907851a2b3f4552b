import Glibc
import Linux

/// What a control group has used, read at one moment. What its files don't say is nil.
public struct CgroupReading: Sendable, Equatable {
    /// Bytes; counts of events.
    public struct Memory: Sendable, Equatable {
        public var current: UInt64
        public var peak: UInt64?
        public var anonymous: UInt64
        public var file: UInt64
        public var kernel: UInt64?
        public var swap: UInt64?
        public var highEvents: UInt64
        public var maxEvents: UInt64
        public var kills: UInt64
    }

    /// Bytes and operations, of some devices together.
    public struct IO: Sendable, Equatable {
        public var readBytes: UInt64 = 0
        public var writtenBytes: UInt64 = 0
        public var reads: UInt64 = 0
        public var writes: UInt64 = 0

        /// Lines of `MAJOR:MINOR rbytes=N wbytes=N rios=N wios=N …`.
        ///
        /// - Parameter devices: those that count; nil for all.
        public init(_ text: String, devices: Set<String>?) {
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ")
                guard let device = words.first, devices?.contains(String(device)) != false else { continue }
                for word in words.dropFirst() {
                    guard let equals = word.firstIndex(of: "="), let value = UInt64(word[word.index(after: equals)...]) else {
                        continue
                    }
                    switch word[..<equals] {
                    case "rbytes": readBytes &+= value
                    case "wbytes": writtenBytes &+= value
                    case "rios": reads &+= value
                    case "wios": writes &+= value
                    default: break
                    }
                }
            }
        }
    }

    /// Microseconds of CPU time; a group has this without any controller too.
    public var cpuTime: UInt64?
    public var throttledTime: UInt64?
    public var throttledPeriods: UInt64?
    public var memory: Memory?
    public var io: IO?
    public var pids: UInt64?
    /// How often `pids.max` refused one.
    public var pidsRefused: UInt64?
    public var cpuPressure: Pressure?
    public var memoryPressure: Pressure?
    public var ioPressure: Pressure?

    /// - Parameters:
    ///   - directory: of the group.
    ///   - devices: whose I/O counts; nil for all.
    /// - Returns: nil when there is no such group.
    public init?(directory: String, devices: Set<String>? = nil) {
        guard Files.isDirectory(directory) else { return nil }
        let group = GroupReader(directory)
        func value(_ file: String) -> UInt64? { group.read(file).flatMap { number($0) } }
        func pairs(_ file: String) -> KeyedNumbers? { group.read(file).map { KeyedNumbers($0) } }
        func text(_ file: String) -> String? { group.read(file).map { String(decoding: $0, as: UTF8.self) } }
        if let cpu = pairs("cpu.stat") {
            cpuTime = cpu["usage_usec"]
            throttledTime = cpu["throttled_usec"]
            throttledPeriods = cpu["nr_throttled"]
        }
        if let current = value("memory.current") {
            let (statistics, events) = (pairs("memory.stat"), pairs("memory.events"))
            memory = Memory(
                current: current, peak: value("memory.peak"), anonymous: statistics?["anon"] ?? 0,
                file: statistics?["file"] ?? 0, kernel: statistics?["kernel"], swap: value("memory.swap.current"),
                highEvents: events?["high"] ?? 0, maxEvents: events?["max"] ?? 0, kills: events?["oom_kill"] ?? 0)
        }
        io = text("io.stat").map { IO($0, devices: devices) }
        pids = value("pids.current")
        if pids != nil { pidsRefused = value("pids.max") == nil ? 0 : Self.refusals(directory) }
        cpuPressure = text("cpu.pressure").flatMap { Pressure($0) }
        memoryPressure = text("memory.pressure").flatMap { Pressure($0) }
        ioPressure = text("io.pressure").flatMap { Pressure($0) }
    }

    /// How often a group's limit of processes refused one.
    ///
    /// Since Linux 6.11 that is counted in the group with the limit; before, in the one of the process that wanted to fork.
    public static func refusals(_ directory: String) -> UInt64 {
        func own(_ directory: String) -> UInt64 {
            GroupReader(directory).read("pids.events").flatMap { KeyedNumbers($0)["max"] } ?? 0
        }
        if Files.exists("\(directory)/pids.events.local") { return own(directory) }
        func below(_ directory: String) -> UInt64 {
            let names = (try? Files.list(directory)) ?? []
            return names.map { "\(directory)/\($0)" }.filter { Files.isDirectory($0) }.reduce(own(directory)) { $0 &+ below($1) }
        }
        return below(directory)
    }
}

extension TaskCgroup {
    /// The group of a task that has what it uses; it need not exist.
    public static func measured(id: String, on host: CgroupHost) -> String? {
        guard let unified = host.unified else { return nil }
        guard host.controllers.contains(where: { controllers.contains($0) }) else { return "\(unified)/dish/\(id)" }
        return host.hasSystemd ? "\(unified)/dish.slice/dish-\(id).service/task" : "\(unified)/dish/\(id)/task"
    }
}

/// Reads the small files of one group.
private struct GroupReader {
    private let directory: String

    init(_ directory: String) {
        self.directory = directory
    }

    /// Nil when there is no such file, or it can't be read: a kernel can have a file and not support it.
    func read(_ file: String) -> [UInt8]? {
        let descriptor = open("\(directory)/\(file)", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // A file of a group is read whole or not at all; the longest have a few kibibytes.
        return try? [UInt8](unsafeUninitializedCapacity: 16384) { buffer, count in
            var length = 0
            while length < buffer.count {
                let got = Glibc.read(descriptor, buffer.baseAddress! + length, buffer.count - length)
                if got < 0 { throw SystemError("read", file) }
                if got == 0 { break }
                length += got
            }
            count = length
        }
    }
}
