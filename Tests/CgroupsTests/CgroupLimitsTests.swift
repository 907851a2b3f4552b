import Testing

@testable import Cgroups

@Suite struct CgroupLimitsTests {
    private let all = CgroupLimits(cpu: .value(500), memory: .value(1 << 20), pids: .value(10))

    @Test func withTheControllersEverythingCanBeEnforced() {
        #expect(host(controllers: ["cpu", "io", "memory", "pids"]).unenforceable(all) == [])
    }

    @Test func noLimitNeedsNoController() {
        #expect(host(controllers: []).unenforceable(CgroupLimits()) == [])
    }

    @Test func eachLimitThatCannotBeEnforcedIsNamedWithTheReason() {
        let found = host(controllers: ["cpu"], legacy: ["memory": "/sys/fs/cgroup/memory"]).unenforceable(all)
        #expect(
            found == [
                .init(
                    option: "--memory",
                    reason:
                        "--memory needs the cgroup v2 controller 'memory', and on this host 'memory' is mounted as cgroup v1 at /sys/fs/cgroup/memory"
                ),
                .init(
                    option: "--pids",
                    reason: "--pids needs the cgroup v2 controller 'pids', and on this host the kernel offers no 'pids' there"),
            ])
    }

    @Test func aHostWithoutTheUnifiedHierarchySaysSo() {
        let found = host(unified: nil, controllers: []).unenforceable(CgroupLimits(cpu: .value(1)))
        #expect(found.map(\.reason) == ["--cpu needs the cgroup v2 controller 'cpu', and on this host cgroup v2 is not mounted"])
    }

    @Test(arguments: [(1, 1000), (10, 1000), (500, 50_000), (2000, 200_000), (UInt64.max, (1 << 37) * 100)])
    func aShareOfCPUIsAQuotaTheKernelTakes(_ thousandths: UInt64, _ microseconds: UInt64) {
        #expect(CgroupLimits(cpu: .value(thousandths)).cpuMicroseconds == microseconds)
    }

    @Test func noLimitIsNoQuota() {
        #expect(CgroupLimits().cpuMicroseconds == nil)
        #expect(CgroupLimits.Limit(nil) == .max)
        #expect(CgroupLimits.Limit(0) == .value(0))
    }

    @Test func thisHostCanBeRead() throws {
        let host = try CgroupHost.current()
        #expect(host.unified != nil || host.controllers.isEmpty)
    }

    @Test func aTaskHasAGroupInEachHierarchy() {
        let hybrid = CgroupHost(
            unified: "/sys/fs/cgroup/unified", named: "/sys/fs/cgroup/systemd", controllers: [], legacy: [:], hasSystemd: false)
        #expect(
            TaskCgroup.existing(id: "abc", on: hybrid).procs == [
                "/sys/fs/cgroup/unified/dish/abc/cgroup.procs", "/sys/fs/cgroup/systemd/dish/abc/cgroup.procs",
            ])
        let booted = CgroupHost(
            unified: "/sys/fs/cgroup", named: nil, controllers: ["memory"], legacy: [:], hasSystemd: true)
        #expect(
            TaskCgroup.existing(id: "abc", on: booted).directories == ["/sys/fs/cgroup/dish.slice/dish-abc.service/task"])
    }

    private func host(
        unified: String? = "/sys/fs/cgroup", controllers: [String], legacy: [String: String] = [:]
    ) -> CgroupHost {
        CgroupHost(unified: unified, named: nil, controllers: controllers, legacy: legacy, hasSystemd: false)
    }
}
