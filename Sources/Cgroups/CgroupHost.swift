import Linux

/// The control groups of this host, as `/proc/self/mountinfo` and `/proc/self/cgroup` show them.
public struct CgroupHost: Sendable, Equatable {
    /// Where the cgroup v2 hierarchy is mounted; nil when it isn't.
    public let unified: String?
    /// Where systemd's named v1 hierarchy is mounted, on hybrid hosts.
    public let named: String?
    /// The v2 controllers: `cpu`, `memory`, …
    public let controllers: [String]
    /// v1 controllers and where they are mounted.
    public let legacy: [String: String]
    /// Whether systemd is process 1 and so owns the hierarchy.
    public let hasSystemd: Bool

    public static func current() throws -> CgroupHost {
        let mounts = try Mounts.list()
        let unified = mounts.first { $0.type == "cgroup2" }?.path
        var legacy: [String: String] = [:]
        var named: String?
        for mount in mounts where mount.type == "cgroup" {
            let options = mount.options.split(separator: ",").map(String.init)
            if options.contains("name=systemd") { named = mount.path }
            for option in options where ["cpu", "memory", "pids", "blkio", "cpuset", "hugetlb"].contains(option) {
                legacy[option] = mount.path
            }
        }
        let listed = try unified.flatMap { try Files.readTextIfPresent("\($0)/cgroup.controllers") } ?? ""
        let controllers = listed.split(whereSeparator: \.isWhitespace).map(String.init)
        // A hybrid host leaves v2 what v1 hasn't got mounted, hugetlb for instance: there it only groups.
        let isInCharge = controllers.contains { ["cpu", "memory", "io", "pids"].contains($0) }
        return CgroupHost(
            unified: unified, named: named, controllers: isInCharge ? controllers : [], legacy: legacy,
            hasSystemd: Files.isDirectory("/run/systemd/system"))
    }
}
