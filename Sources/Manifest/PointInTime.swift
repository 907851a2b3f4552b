import Glibc

/// A point in time as people write it: how long ago, or when.
///
/// - `90s`, `1h30m`, `2 days ago`, `-1h`: so long before now; with `+`, after it.
/// - `now`, `today`, `yesterday`, `tomorrow`: the last three begin at midnight.
/// - `2026-01-31`, `2026-01-31 12:00`, `2026-01-31T12:00:00.5Z`, `12:00`: in this host's time zone, unless one is said.
/// - `@1769860800`: seconds since 1970.
public struct PointInTime: Sendable, Equatable {
    /// Since 1970.
    public let milliseconds: Int64

    /// Since 1970.
    public var seconds: Int64 { milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000 }

    /// Nil for what is no time.
    ///
    /// - Parameter now: milliseconds since 1970; nil for the clock's.
    public init?(_ text: String, now: Int64? = nil) {
        let now = now ?? Self.clock()
        let words = text.lowercased().split(separator: " ").joined(separator: " ")
        guard words.utf8.count <= 64,
            let found = Self.word(words, now) ?? Self.span(words, now) ?? Self.date(text) ?? Self.hour(words, now)
        else { return nil }
        milliseconds = found
    }

    private static func clock() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    private static func word(_ text: String, _ now: Int64) -> Int64? {
        switch text {
        case "now": now
        case "today": midnight(now, days: 0)
        case "yesterday": midnight(now, days: -1)
        case "tomorrow": midnight(now, days: 1)
        default: text.first == "@" ? fraction(text.dropFirst()) : nil
        }
    }

    private static func midnight(_ now: Int64, days: CInt) -> Int64? {
        var (seconds, local) = (time_t(now / 1000), tm())
        localtime_r(&seconds, &local)
        (local.tm_hour, local.tm_min, local.tm_sec, local.tm_isdst) = (0, 0, 0, -1)
        local.tm_mday += days
        return Int64(mktime(&local)) * 1000
    }

    // MARK: Spans

    private static let units: [String: Int64] = {
        var units: [String: Int64] = ["ms": 1]
        for (names, milliseconds) in [
            (["s", "sec", "secs", "second", "seconds"], 1000), (["m", "min", "mins", "minute", "minutes"], 60_000),
            (["h", "hr", "hrs", "hour", "hours"], 3_600_000), (["d", "day", "days"], 86_400_000),
            (["w", "week", "weeks"], 604_800_000),
        ] as [([String], Int64)] {
            for name in names { units[name] = milliseconds }
        }
        return units
    }()

    private static func span(_ text: String, _ now: Int64) -> Int64? {
        var rest = text[...]
        var isAfter = false
        if rest.hasSuffix(" ago") {
            rest = rest.dropLast(4)
        } else if let sign = rest.first, sign == "-" || sign == "+" {
            isAfter = sign == "+"
            rest = rest.dropFirst()
        }
        guard !rest.isEmpty else { return nil }
        var sum: Int64 = 0
        while !rest.isEmpty {
            rest = rest.drop { $0 == " " }
            let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
            rest = rest.dropFirst(number.count).drop { $0 == " " }
            let unit = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest.dropFirst(unit.count)
            guard let count = fraction(number), let length = units[String(unit)], count <= 100_000_000_000 else { return nil }
            sum += Int64(Double(count) * Double(length) / 1000)
            guard sum < 1 << 53 else { return nil }
        }
        return isAfter ? now + sum : now - sum
    }

    /// A number with thousandths, times 1000.
    private static func fraction(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts[0].utf8.count <= 13, let whole = number(parts[0]) else { return nil }
        guard parts.count == 2 else { return whole * 1000 }
        guard (1...9).contains(parts[1].utf8.count), number(parts[1]) != nil else { return nil }
        return whole * 1000 + (number((parts[1] + "00").prefix(3)) ?? 0)
    }

    private static func number(_ text: Substring) -> Int64? {
        !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64(text) : nil
    }

    // MARK: Dates

    private static func date(_ text: String) -> Int64? {
        let separator = text.firstIndex { $0 == "T" || $0 == "t" || $0 == " " }
        let day = text[..<(separator ?? text.endIndex)].split(separator: "-", omittingEmptySubsequences: false)
        guard day.count == 3, day.map(\.utf8.count) == [4, 2, 2] else { return nil }
        let numbers = day.compactMap(number)
        guard numbers.count == 3, numbers[0] >= 1970, (1...12).contains(numbers[1]), (1...31).contains(numbers[2]) else {
            return nil
        }
        let clock = separator.map { text[text.index(after: $0)...] } ?? "00:00"
        return moment((numbers[0], numbers[1], numbers[2]), clock)
    }

    /// A time of today.
    private static func hour(_ text: String, _ now: Int64) -> Int64? {
        var (seconds, local) = (time_t(now / 1000), tm())
        localtime_r(&seconds, &local)
        return moment((Int64(local.tm_year) + 1900, Int64(local.tm_mon) + 1, Int64(local.tm_mday)), text[...])
    }

    private static func moment(_ day: (year: Int64, month: Int64, day: Int64), _ text: Substring) -> Int64? {
        guard let (clock, zone) = split(text) else { return nil }
        let parts = clock.split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), parts[0].utf8.count == 2, parts[1].utf8.count == 2, let hour = number(parts[0]),
            let minute = number(parts[1]), let second = parts.count == 3 ? fraction(parts[2]) : 0, hour < 24, minute < 60,
            second < 61_000
        else { return nil }
        var time = tm()
        (time.tm_year, time.tm_mon, time.tm_mday) = (CInt(day.year - 1900), CInt(day.month - 1), CInt(day.day))
        (time.tm_hour, time.tm_min, time.tm_isdst) = (CInt(hour), CInt(minute), -1)
        let whole = zone.map { Int64(timegm(&time)) - $0 } ?? Int64(mktime(&time))
        // A day that its month hasn't got became one of the next.
        guard time.tm_mday == CInt(day.day) else { return nil }
        return whole * 1000 + second
    }

    /// A time of day, and the seconds that its zone is before UTC; nil for this host's zone.
    private static func split(_ text: Substring) -> (clock: Substring, zone: Int64?)? {
        if let last = text.last, last == "Z" || last == "z" { return (text.dropLast(), 0) }
        for name in [" UTC", " utc", " GMT"] where text.hasSuffix(name) { return (text.dropLast(4), 0) }
        guard let sign = text.lastIndex(where: { $0 == "+" || $0 == "-" }) else { return (text, nil) }
        let digits = text[text.index(after: sign)...].filter { $0 != ":" }
        guard digits.utf8.count == 4, let value = number(digits[...]), value / 100 <= 14, value % 100 < 60 else { return nil }
        let seconds = (value / 100 * 60 + value % 100) * 60
        let clock = text[..<sign]
        return (clock.last == " " ? clock.dropLast() : clock, text[sign] == "-" ? -seconds : seconds)
    }
}
