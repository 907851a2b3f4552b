import CLinux
import Glibc

/// Block devices over files (loop(4)).
public enum LoopDevice {
    /// Attaches a file to a free loop device and returns the device's path.
    ///
    /// It uses direct I/O where the file's file system can, so that nothing is cached twice, and
    /// detaches itself when its last user (a mount) goes.
    public static func attach(_ file: String) throws(SystemError) -> String {
        let backing = try OwnedFD.open(file, O_RDWR)
        let loops = try OwnedFD.open("/dev/loop-control", O_RDWR)
        // Between asking for a free device and taking it, somebody else may.
        for _ in 0..<64 {
            let index = dish_ioctl_int(loops.number, DISH_LOOP_CTL_GET_FREE, 0)
            guard index >= 0 else { throw SystemError("find a free loop device for", file) }
            let path = "/dev/loop\(index)"
            let device = try OwnedFD.open(path, O_RDWR)
            if try configure(device, backing, path, Int(DISH_LO_FLAGS_DIRECT_IO)) { return path }
        }
        throw SystemError("find a free loop device for", file, code: EBUSY)
    }

    /// Detaches a device that nothing uses; one that is free already is no error.
    public static func detach(_ path: String) throws(SystemError) {
        let device = try OwnedFD.open(path, O_RDWR)
        guard dish_ioctl_int(device.number, DISH_LOOP_CLR_FD, 0) != 0, errno != ENXIO else { return }
        throw SystemError("detach loop device", path)
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
