/// How full a pool was over time, as its agent looked: bounded, the older the coarser (docs/accounting.md).
public struct UsageHistory: Sendable, Codable, Equatable {
    public struct Sample: Sendable, Codable, Equatable {
        /// Seconds since 1970.
        public let time: Int64
        /// Bytes, as the file system counts them.
        public let total: UInt64
        public let available: UInt64
        public let data: UInt64
        public let metadata: UInt64

        public init(time: Int64, total: UInt64, available: UInt64, data: UInt64, metadata: UInt64) {
            (self.time, self.total, self.available, self.data, self.metadata) = (time, total, available, data, metadata)
        }
    }

    /// When there will be no more room, if it goes on like this.
    public struct Forecast: Sendable, Codable, Equatable {
        /// By how much less is available each day; negative when there is more.
        public let bytesPerDay: Int64
        /// Seconds since 1970; nil when that isn't in sight: not within ten years.
        public let fullAt: Int64?
        /// From how many seconds' samples.
        public let span: Int64
    }

    /// Oldest first.
    public private(set) var samples: [Sample] = []

    public init() {}

    private static let day: Int64 = 86400
    /// Up to which age one sample is kept of each so many seconds.
    private static let grains: [(age: Int64, step: Int64)] = [(day, 600), (30 * day, 3600), (730 * day, day)]

    /// Whether it is time for another sample.
    public func isDue(at time: Int64) -> Bool {
        guard let last = samples.last else { return true }
        // A clock that was set back doesn't stop it.
        return time >= last.time + 600 || time < last.time
    }

    /// Adds a sample, and drops what is too old or too close to another.
    public mutating func add(_ sample: Sample) {
        // What a clock that has been set back since says is in the future is of no use.
        samples.removeAll { $0.time >= sample.time }
        samples.append(sample)
        var kept: [Sample] = []
        var filled: Set<[Int64]> = []
        for old in samples.reversed() {
            guard let grain = Self.grains.first(where: { sample.time - old.time <= $0.age }) else { continue }
            // The first of each slot stands for it: it stays when it comes into a coarser grain.
            if filled.insert([grain.step, old.time / grain.step]).inserted {
                kept.append(old)
            } else {
                kept[kept.count - 1] = old
            }
        }
        samples = kept.reversed()
    }

    /// From the last week's samples, as a line through them (least squares); nil when they span less than an hour.
    public var forecast: Forecast? {
        guard let last = samples.last else { return nil }
        let recent = samples.filter { $0.time >= last.time - 7 * Self.day }
        guard let first = recent.first, recent.count >= 3, last.time - first.time >= 3600 else { return nil }
        let times = recent.map { Double($0.time - first.time) }
        let room = recent.map { Double($0.available) }
        let (middle, level) = (times.reduce(0, +) / Double(times.count), room.reduce(0, +) / Double(room.count))
        var (product, square) = (0.0, 0.0)
        for (time, room) in zip(times, room) {
            product += (time - middle) * (room - level)
            square += (time - middle) * (time - middle)
        }
        guard square > 0 else { return nil }
        let slope = product / square
        let seconds = slope < 0 ? Double(last.available) / -slope : .infinity
        return Forecast(
            bytesPerDay: Int64((-slope * Double(Self.day)).rounded()),
            fullAt: seconds < 3650 * Double(Self.day) ? last.time + Int64(seconds) : nil, span: last.time - first.time)
    }
}
