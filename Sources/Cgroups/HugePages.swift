import Linux

/// The sizes of huge pages of this host, as the hugetlb controller names them: `2MB`, `1GB`.
public enum HugePages {
    /// The default size: its name, and bytes.
    public static var current: (name: String, size: UInt64)? {
        let line = ((try? Files.readText("/proc/meminfo")) ?? "").split(separator: "\n").first { $0.hasPrefix("Hugepagesize:") }
        guard let kibibytes = line?.split(separator: " ").dropFirst().first.flatMap({ UInt64($0) }) else { return nil }
        return (name(kibibytes: kibibytes), kibibytes * 1024)
    }

    /// All sizes there are.
    static var names: [String] {
        // `hugepages-2048kB`
        ((try? Files.list("/sys/kernel/mm/hugepages")) ?? []).compactMap { folder in
            UInt64(folder.dropFirst("hugepages-".utf8.count).dropLast(2)).map(name)
        }
    }

    static func name(kibibytes: UInt64) -> String {
        if kibibytes >= 1 << 20 { return "\(kibibytes >> 20)GB" }
        return kibibytes >= 1024 ? "\(kibibytes >> 10)MB" : "\(kibibytes)KB"
    }
}
