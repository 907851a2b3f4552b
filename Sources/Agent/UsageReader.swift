import AgentAPI
import Btrfs
import Cgroups
import Glibc
import Layers
import Spec

/// Reads what tasks use, from control groups and quota groups. Blocks; hundreds of tasks take tens of milliseconds.
struct UsageReader {
    struct Reading: Sendable {
        /// Microseconds of the monotonic clock.
        let at: Int64
        let usage: TaskUsage
    }

    private let pool: Pool
    private let host: CgroupHost
    private let devices: Set<String>?

    init(_ pool: Pool) throws {
        self.pool = pool
        host = try CgroupHost.current()
        // What lies below a loop device or the device mapper is the same I/O again.
        devices = (try? WholeDisk.all(ofBtrfs: pool.filesystemUUID)).map { Set($0.map(\.number)) }
    }

    func read(_ tasks: [TaskIntent]) throws -> [Reading] {
        let filesystem = try? pool.filesystem()
        var readings: [Reading] = []
        readings.reserveCapacity(tasks.count)
        for task in tasks {
            var usage = TaskUsage(
                id: task.id, name: task.name, class: task.request.class, limits: task.request.limits, at: Self.wallClock())
            let at = ResourceManager.now()
            if let group = TaskCgroup.measured(id: task.id, on: host).flatMap({ CgroupReading(directory: $0, devices: devices) })
            {
                fill(&usage, group)
            }
            if let number = task.quotaGroup, let disk = try? filesystem?.usage(of: QuotaGroup(level: 1, number: number)) {
                usage.disk = .init(used: disk.used, limit: disk.limit)
            }
            readings.append(Reading(at: at, usage: usage))
        }
        return readings
    }

    private func fill(_ usage: inout TaskUsage, _ group: CgroupReading) {
        if let time = group.cpuTime {
            var cpu = TaskUsage.CPU(time: time)
            (cpu.throttledTime, cpu.throttledPeriods) = (group.throttledTime, group.throttledPeriods)
            usage.cpu = cpu
        }
        usage.memory = group.memory.map {
            .init(
                current: $0.current, peak: $0.peak, anonymous: $0.anonymous, file: $0.file, kernel: $0.kernel, swap: $0.swap,
                highEvents: $0.highEvents, maxEvents: $0.maxEvents, kills: $0.kills)
        }
        usage.io = group.io.map {
            .init(readBytes: $0.readBytes, writtenBytes: $0.writtenBytes, reads: $0.reads, writes: $0.writes)
        }
        usage.pids = group.pids.map { .init(current: $0, refused: group.pidsRefused ?? 0) }
        usage.pressure = ResourcePressure(
            cpu: Self.pressure(group.cpuPressure), memory: Self.pressure(group.memoryPressure),
            io: Self.pressure(group.ioPressure))
    }

    static func hostPressure() -> ResourcePressure {
        ResourcePressure(
            cpu: pressure(.ofHost("cpu")), memory: pressure(.ofHost("memory")), io: pressure(.ofHost("io")))
    }

    private static func pressure(_ pressure: Pressure?) -> ResourcePressure.Resource? {
        func stall(_ stall: Pressure.Stall) -> ResourcePressure.Stall {
            .init(
                average10: stall.average10, average60: stall.average60, average300: stall.average300, total: stall.total)
        }
        return pressure.map { .init(some: stall($0.some), full: $0.full.map(stall)) }
    }

    /// Milliseconds since 1970.
    static func wallClock() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}
