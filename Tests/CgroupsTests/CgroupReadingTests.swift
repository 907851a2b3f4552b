import Glibc
import Linux
import Testing

@testable import Cgroups
import Spec

@Suite struct CgroupReadingTests {
    @Test func numbersAreFoundByTheirWholeKey() {
        let numbers = KeyedNumbers("anon_thp 1\nanon 4096\nfile 18446744073709551615\nbad x\nlast 7")
        #expect(numbers["anon"] == 4096)
        #expect(numbers["file"] == .max)
        #expect(numbers["last"] == 7)
        #expect(numbers["bad"] == nil && numbers["ano"] == nil && numbers["none"] == nil)
        #expect(KeyedNumbers("")["a"] == nil)
    }

    @Test(arguments: ["max\n", "", "\n", "-1\n", "18446744073709551616", "1 2"])
    func whatIsNoNumberIsNone(_ text: String) {
        #expect(number(text.utf8) == nil)
    }

    @Test func pressureIsReadWithAndWithoutItsSecondLine() throws {
        let some = "some avg10=1.50 avg60=0.25 avg300=0.00 total=4952\n"
        let pressure = try #require(Pressure(some + "full avg10=100.00 avg60=0.00 avg300=0.00 total=12\n"))
        #expect(pressure.some == .init(average10: 1.5, average60: 0.25, average300: 0, total: 4952))
        #expect(pressure.full?.average10 == 100 && pressure.full?.total == 12)
        #expect(try #require(Pressure(some)).full == nil)
    }

    @Test(arguments: [
        "", "full avg10=0 avg60=0 avg300=0 total=0", "some avg10=x avg60=0 avg300=0 total=0", "some avg10=0 avg60=0 avg300=0",
        "other avg10=0 avg60=0 avg300=0 total=0", "some avg10=0 avg60=0 avg300=0 total=-1",
    ])
    func whatIsNoPressureIsNone(_ text: String) {
        #expect(Pressure(text) == nil)
    }

    @Test func inputAndOutputIsSummedOverThePoolsDevicesAlone() {
        let text =
            "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=9 dios=9\n7:1 rbytes=10 wbytes=20 rios=30 wios=40\n8:16 rbytes=100\n"
        let some = CgroupReading.IO(text, devices: ["8:0", "8:16"])
        #expect((some.readBytes, some.writtenBytes, some.reads, some.writes) == (101, 2, 3, 4))
        #expect(CgroupReading.IO(text, devices: nil).readBytes == 111)
        #expect(CgroupReading.IO("", devices: nil) == CgroupReading.IO("8:0 \n\n", devices: nil))
    }

    @Test func aGroupIsReadAsFarAsItHasFiles() throws {
        try withDirectory { directory in
            #expect(CgroupReading(directory: "\(directory)/none") == nil)
            try write("\(directory)/cpu.stat", "usage_usec 5000\nuser_usec 1\nnr_throttled 3\nthrottled_usec 70\n")
            let bare = try #require(CgroupReading(directory: directory))
            #expect(bare.cpuTime == 5000 && bare.throttledPeriods == 3 && bare.throttledTime == 70)
            #expect(bare.memory == nil && bare.io == nil && bare.pids == nil && bare.cpuPressure == nil)
            try write("\(directory)/memory.current", "8192\n")
            try write("\(directory)/memory.stat", "anon 4096\nfile 2048\nkernel 1024\n")
            try write("\(directory)/memory.events", "low 0\nhigh 4\nmax 5\noom 1\noom_kill 2\n")
            try write("\(directory)/pids.current", "12\n")
            try write("\(directory)/pids.max", "64\n")
            try write("\(directory)/pids.events", "max 0\n")
            // Before Linux 6.11 refusals are counted where the fork was.
            try Files.makeDirectories("\(directory)/payload")
            try write("\(directory)/payload/pids.events", "max 9\n")
            let full = try #require(CgroupReading(directory: directory))
            #expect(
                full.memory
                    == .init(
                        current: 8192, peak: nil, anonymous: 4096, file: 2048, kernel: 1024, swap: nil, highEvents: 4,
                        maxEvents: 5,
                        kills: 2))
            #expect(full.pids == 12 && full.pidsRefused == 9)
        }
    }

    @Test func aPartitionStandsForItsDiskAndALoopDeviceForItself() throws {
        try withDirectory { sysfs in
            try Files.makeDirectories("\(sysfs)/devices/pci/block/sda/sda1")
            try Files.makeDirectories("\(sysfs)/devices/virtual/block/loop3")
            try write("\(sysfs)/devices/pci/block/sda/dev", "8:0\n")
            try write("\(sysfs)/devices/pci/block/sda/sda1/dev", "8:1\n")
            try write("\(sysfs)/devices/pci/block/sda/sda1/partition", "1\n")
            try write("\(sysfs)/devices/virtual/block/loop3/dev", "7:3\n")
            let devices = "\(sysfs)/fs/btrfs/uuid/devices"
            try Files.makeDirectories(devices)
            symlink("\(sysfs)/devices/pci/block/sda/sda1", "\(devices)/sda1")
            symlink("\(sysfs)/devices/virtual/block/loop3", "\(devices)/loop3")
            let disks = try WholeDisk.all(ofBtrfs: "uuid", sysfs: sysfs)
            #expect(disks.map(\.number) == ["7:3", "8:0"])
            #expect(disks.map(\.name) == ["loop3", "sda"])
        }
    }

    @Test func listsOfCPUsAreReadAsTheKernelWritesThem() {
        #expect(CPUList.parse("0-3,6") == [0, 1, 2, 3, 6])
        #expect(CPUList.parse("5") == [5])
        for text in ["", "a", "3-1", "1-2-3", "-1", "1,,2", "0-99999999", "+1"] { #expect(CPUList.parse(text) == nil, "\(text)") }
        #expect(CPUList.online.contains(0))
    }

    @Test func limitsCanBeToldAndTakenBackIn() {
        var limits = CgroupLimits(Limits(cpu: 1500, memory: 1 << 30, pids: 64), disks: ["8:0", "7:1"])
        (limits.limits.cpuWeight, limits.limits.cpuset, limits.limits.ioWeight) = (200, "0-3,6", 50)
        (limits.limits.memoryMin, limits.limits.memoryLow, limits.limits.memoryHigh) = (1, 2, 3 << 20)
        (limits.limits.memorySwap, limits.limits.hugepages) = (Limits.most, 0)
        (limits.limits.ioReadBps, limits.limits.ioWriteIops) = (1000, 7)
        var read = CgroupLimits()
        for setting in limits.settings {
            let isTaken = read.set(setting.name, to: setting.value)
            #expect(isTaken, "\(setting)")
        }
        #expect(read == limits)
        #expect(limits.settings.contains { $0 == ("memory-swap", "max") })
        #expect(limits.settings.contains { $0 == ("io", "8:0 rbps=1000 wbps=max riops=max wiops=7") })
        for (name, value) in [("cpu", "-1"), ("memory", "max"), ("io", "8:0"), ("cpuset", ""), ("unknown", "1")] {
            let isTaken = read.set(name, to: value)
            #expect(!isTaken, "\(name)")
        }
    }

    @Test func swapIsNoneWhereMemoryIsLimitedAloneAndElseAsMuchAsThereIs() {
        var limits = CgroupLimits()
        #expect(limits.swap == nil)
        limits.limits.memory = 1 << 20
        #expect(limits.swap == 0)
        limits.limits.memorySwap = 5
        #expect(limits.swap == 5)
    }

    private func withDirectory(_ body: (String) throws -> Void) throws {
        let directory = "/tmp/dish-cgroups-\(UInt32.random(in: 0 ... .max))"
        try Files.makeDirectories(directory)
        defer { try? Files.removeTree(directory) }
        try body(directory)
    }

    private func write(_ path: String, _ text: String) throws { try Files.replace(path, with: text.utf8, durable: false) }
}
