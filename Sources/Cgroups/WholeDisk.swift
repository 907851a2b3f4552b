import Glibc
import Linux

/// A block device as the `io` controller takes it: always a whole disk.
public struct WholeDisk: Sendable, Hashable {
    /// `MAJOR:MINOR`.
    public let number: String
    /// As in /sys/block: `sda`, `loop3`.
    public let name: String

    /// The disks of a mounted Btrfs file system, of all its devices. A partition stands for its disk; a loop device, and one of
    /// the device mapper, is a disk of its own.
    ///
    /// - Parameters:
    ///   - uuid: of the file system.
    ///   - sysfs: where it is mounted.
    public static func all(ofBtrfs uuid: String, sysfs: String = "/sys") throws -> [WholeDisk] {
        let directory = "\(sysfs)/fs/btrfs/\(uuid)/devices"
        let disks = try Files.list(directory).map { try WholeDisk(device: "\(directory)/\($0)") }
        return Set(disks).sorted { $0.name < $1.name }
    }

    /// - Parameter link: to the device's directory in sysfs.
    private init(device link: String) throws {
        guard let resolved = realpath(link, nil) else { throw SystemError("find the disk of", link) }
        defer { free(resolved) }
        let device = String(cString: resolved)
        // A partition's directory is in its disk's.
        let disk = Files.exists("\(device)/partition") ? Files.parent(of: device) : device
        number = String(try Files.readText("\(disk)/dev").prefix { $0 != "\n" })
        name = Files.name(of: disk)
    }

    /// Whether weights mean something on it: the BFQ scheduler, or the I/O cost model.
    ///
    /// - Parameter costs: the root group's `io.cost.qos`.
    func hasWeights(costs: String) -> Bool {
        let scheduler = (try? Files.readText("/sys/block/\(name)/queue/scheduler")) ?? ""
        if scheduler.contains("[bfq]") { return true }
        return costs.split(separator: "\n").contains { $0.hasPrefix("\(number) ") && $0.contains("enable=1") }
    }
}
