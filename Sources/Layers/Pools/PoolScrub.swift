public import Btrfs
import Glibc
import Linux
import Synchronization

/// A scrub of a pool that has ended.
public struct ScrubRecord: Sendable, Codable, Equatable {
    public enum Outcome: String, Sendable, Codable {
        case finished, cancelled, failed
    }

    /// Seconds since 1970.
    public let started: Int64
    public let ended: Int64
    public let outcome: Outcome
    /// Who asked for it: `schedule`, `command`.
    public let by: String
    /// Of all devices.
    public let found: ScrubProgress
    /// Why it failed.
    public let failure: String?

    /// Whether content was found damaged that no copy could put right.
    public var isBad: Bool { found.uncorrectable > 0 || outcome == .failed }
}

/// The scrub under way.
public struct ScrubStatus: Sendable, Codable, Equatable {
    public let progress: ScrubProgress
    /// How many bytes are on the devices.
    public let expected: UInt64
}

extension Pool {
    /// The scrub under way; nil when there is none.
    public func scrubStatus() throws -> ScrubStatus? {
        let filesystem = try filesystem()
        let devices = try filesystem.devices()
        let running = try devices.compactMap { try filesystem.scrubProgress(device: $0.id) }
        guard !running.isEmpty else { return nil }
        // Devices that are done say nothing of themselves any more.
        return ScrubStatus(
            progress: running.reduce(ScrubProgress(), +), expected: try Self.used(filesystem, devices: devices.count))
    }

    /// What a scrub will read, all copies counted.
    private static func used(_ filesystem: borrowing Filesystem, devices: Int) throws -> UInt64 {
        try filesystem.allocations().reduce(0) { sum, allocation in
            let copies: UInt64 =
                switch allocation.profile {
                case .single, .raid0, .raid5, .raid6: 1
                case .dup, .raid1, .raid10: 2
                case .raid1c3: 3
                case .raid1c4: 4
                }
            return sum + allocation.used * copies
        }
    }

    /// Reads all that is in the pool and puts right what can be. Blocks until it is done or cancelled.
    ///
    /// - Parameter onProgress: from another thread.
    /// - Throws: `PoolError` `.inUse` when one is under way.
    public func scrub(by: String, onProgress: @escaping @Sendable (ScrubStatus) -> Void = { _ in }) throws -> ScrubRecord {
        let started = Int64(time(nil))
        let devices = try filesystem().devices().filter { !$0.isMissing }
        let results = Mutex<[Result<(progress: ScrubProgress, isCancelled: Bool), any Error>]>([])
        let pool = self
        let expected = try Self.used(filesystem(), devices: devices.count)
        let ticker = Ticker {
            let done = results.withLock { $0.compactMap { try? $0.get().progress }.reduce(ScrubProgress(), +) }
            let running = (try? pool.scrubStatus()) ?? nil
            onProgress(ScrubStatus(progress: (running?.progress ?? ScrubProgress()) + done, expected: expected))
        }
        defer { ticker.stop() }
        // One thread for each device: they are read side by side.
        let done = Mutex(0)
        for device in devices {
            try startThread {
                let result = Result { try pool.filesystem().scrub(device: device.id) }
                results.withLock { $0.append(result) }
                done.withLock { $0 += 1 }
            }
        }
        while done.withLock({ $0 < devices.count }) { usleep(20_000) }
        var (found, isCancelled, failure) = (ScrubProgress(), false, String?.none)
        for result in results.withLock({ $0 }) {
            do {
                let (progress, cancelled) = try result.get()
                found = found + progress
                isCancelled = isCancelled || cancelled
            } catch let error as SystemError where error.code == EINPROGRESS {
                throw PoolError(.inUse, "the pool at '\(path)' is being scrubbed already; see: dish pool scrub status \(path)")
            } catch {
                failure = "\(error)"
            }
        }
        return ScrubRecord(
            started: started, ended: Int64(time(nil)),
            outcome: failure != nil ? .failed : isCancelled ? .cancelled : .finished, by: by, found: found, failure: failure)
    }
}

/// The scrubs of a pool on this host: the last hundred.
public struct ScrubHistory: Sendable {
    private let file: String

    public init(of pool: Pool, in registry: PoolRegistry) {
        file = "\(registry.records(ofPool: pool))/scrubs.json"
    }

    /// Oldest first. A file that can't be read is set aside as `scrubs.json.damaged`: it keeps no scrub from being done or shown.
    public func records() throws -> [ScrubRecord] {
        guard Files.exists(file) else { return [] }
        do {
            return try StateFile.read([ScrubRecord].self, file)
        } catch let error as PoolError where error.code == .damaged {
            try retryingInterrupts("set aside", file) { rename(file, file + ".damaged") }
            return []
        }
    }

    public func add(_ record: ScrubRecord) throws {
        try Files.makeDirectories(Files.parent(of: file), mode: 0o700)
        let lock = try FileLock(waitingFor: file + ".lock")
        defer { withExtendedLifetime(lock) {} }
        try StateFile.write(records().suffix(99) + [record], file)
    }

    /// The record of a scrub that has just ended, which whoever ran it is about to write; nil when none comes.
    ///
    /// - Parameter before: the last record as it was before.
    public func next(after before: ScrubRecord?, seconds: Int) throws -> ScrubRecord? {
        for _ in 0..<(seconds * 10) {
            if let last = try records().last, last != before { return last }
            usleep(100_000)
        }
        return nil
    }

    /// Whether another is due.
    public func isDue(every seconds: Int64, now: Int64) throws -> Bool {
        guard let last = try records().last(where: { $0.outcome == .finished }) else { return true }
        // A clock that was set back doesn't stop it.
        return now >= last.started + seconds || now < last.started
    }
}
