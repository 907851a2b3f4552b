import CLinux
import Glibc

/// A block device over a file (loop(4)).
///
/// It detaches itself when its last user goes: keep this value until the device is mounted.
public struct LoopDevice: ~Copyable {
    /// `/dev/loop3`.
    public let path: String
    private let device: OwnedFD

    /// Attaches a file to a free loop device, with direct I/O where the file's file system can, so that nothing is
    /// cached twice. One that it is attached to already is taken: a file system on two devices over one file would be
    /// mounted twice without knowing of itself, and destroyed.
    public init(_ file: String) throws(SystemError) {
        let backing = try OwnedFD.open(file, O_RDWR)
        for name in try Files.list("/sys/class/block") where Files.exists("/sys/class/block/\(name)/loop") {
            // One that is being detached can't be opened any more. Whoever watches for writers isn't to look at others' anew.
            guard let opened = try? OwnedFD.open("/dev/\(name)", O_RDONLY), let isAll = Self.isAll(of: backing, opened) else {
                continue
            }
            guard isAll else { throw SystemError("attach a loop device beside /dev/\(name) to", file, code: EBUSY) }
            path = "/dev/\(name)"
            device = opened
            return
        }
        let loops = try OwnedFD.open("/dev/loop-control", O_RDWR)
        // Between asking for a free device and taking it, somebody else may.
        for _ in 0..<64 {
            let index = dish_ioctl_int(loops.number, DISH_LOOP_CTL_GET_FREE, 0)
            guard index >= 0 else { throw SystemError("find a free loop device for", file) }
            let found = "/dev/loop\(index)"
            let opened = try OwnedFD.open(found, O_RDWR)
            if try Self.configure(opened, backing, found, Int(DISH_LO_FLAGS_DIRECT_IO)) {
                path = found
                device = opened
                return
            }
        }
        throw SystemError("find a free loop device for", file, code: EBUSY)
    }

    /// Makes a loop device as large as its file has become, also while it is in use.
    public static func takeSizeOfFile(_ device: String) throws(SystemError) {
        let opened = try OwnedFD.open(device, O_RDONLY)
        let number = opened.number
        try retryingInterrupts("grow", device) { dish_ioctl_int(number, DISH_LOOP_SET_CAPACITY, 0) }
    }

    /// Whether a loop device is the whole of a file, or a part; nil when it is neither.
    private static func isAll(of file: borrowing OwnedFD, _ device: borrowing OwnedFD) -> Bool? {
        var (info, status) = (loop_info64(), stat())
        guard dish_ioctl(device.number, DISH_LOOP_GET_STATUS64, &info) == 0, fstat(file.number, &status) == 0,
            info.lo_device == status.st_dev, info.lo_inode == status.st_ino
        else { return nil }
        return info.lo_offset == 0 && info.lo_sizelimit == 0
    }

    /// Returns false when the device was taken meanwhile.
    private static func configure(
        _ device: borrowing OwnedFD, _ backing: borrowing OwnedFD, _ path: String, _ mode: Int
    ) throws(SystemError) -> Bool {
        var configuration = loop_config()
        configuration.fd = UInt32(backing.number)
        configuration.info.lo_flags = UInt32(Int(DISH_LO_FLAGS_AUTOCLEAR) | mode)
        if dish_ioctl(device.number, DISH_LOOP_CONFIGURE, &configuration) == 0 { return true }
        switch errno {
        case EBUSY: return false
        // The backing file system can't do direct I/O (tmpfs).
        case EINVAL where mode != 0: return try configure(device, backing, path, 0)
        default: throw SystemError("attach loop device", path)
        }
    }
}
