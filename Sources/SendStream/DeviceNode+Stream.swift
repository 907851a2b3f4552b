import Glibc
public import Linux

extension DeviceNode {
    /// The node that `mknod` of a stream makes; nil for what is no device.
    ///
    /// - Parameter device: in the kernel's encoding: 12 bits of major number, 20 of minor number.
    public init?(streamMode mode: UInt64, device: UInt64) {
        let type = mode_t(truncatingIfNeeded: mode) & S_IFMT
        guard type == S_IFCHR || type == S_IFBLK else { return nil }
        self.init(
            isBlock: type == S_IFBLK, major: UInt32(device >> 8 & 0xfff), minor: UInt32(device & 0xff | device >> 12 & 0xfff00))
    }
}
