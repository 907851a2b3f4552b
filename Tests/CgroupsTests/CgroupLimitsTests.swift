import Spec
import Testing

@testable import Cgroups

@Suite struct CgroupLimitsTests {
    private let all = Limits(cpu: 500, memory: 1 << 20, pids: 10)

    @Test func withTheControllersEverythingCanBeEnforced() {
        #expect(host(controllers: ["cpu", "io", "memory", "pids"]).unenforceable(all) == [])
    }

    @Test func noLimitNeedsNoController() {
        #expect(host(controllers: []).unenforceable(Limits()) == [])
    }

    @Test func eachLimitThatCannotBeEnforcedIsNamedWithTheReason() {
        let found = host(controllers: ["cpu"], legacy: ["memory": "/sys/fs/cgroup/memory"]).unenforceable(all)
        #expect(
            found == [
                FieldFault(
                    "memory",
                    "needs the cgroup v2 controller 'memory', and on this host 'memory' is mounted as cgroup v1 at /sys/fs/cgroup/memory"
                ),
                FieldFault("pids", "needs the cgroup v2 controller 'pids', and on this host the kernel offers no 'pids' there"),
            ])
    }

    @Test func aHostWithoutTheUnifiedHierarchySaysSo() {
        let found = host(unified: nil, controllers: []).unenforceable(Limits(cpu: 1))
        #expect(found.map(\.reason) == ["needs the cgroup v2 controller 'cpu', and on this host cgroup v2 is not mounted"])
    }

    @Test(arguments: [(1, 1000), (10, 1000), (500, 50_000), (2000, 200_000), (UInt64.max, (1 << 37) * 100)])
    func aShareOfCPUIsAQuotaTheKernelTakes(_ thousandths: UInt64, _ microseconds: UInt64) {
        #expect(CgroupLimits(Limits(cpu: thousandths)).cpuMicroseconds == microseconds)
    }

    @Test func noLimitIsNoQuota() {
        #expect(CgroupLimits().cpuMicroseconds == nil)
    }

    /// A limit that no controller keeps would be none.
    @Test func eachLimitNeedsSomething() {
        let host = host(controllers: [])
        for field in Limits.table.fields where field.name.json != "disk" {
            var limits = Limits()
            switch field.kind {
            case .bytes(let range), .cores(let range): _ = limits.set(field.name, to: .integer(Int64(range.upperBound)))
            case .count(let range): _ = limits.set(field.name, to: .integer(range.upperBound))
            default: _ = limits.set(field.name, to: "0")
            }
            #expect(host.unenforceable(limits).map(\.path) == [field.name.json])
        }
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
