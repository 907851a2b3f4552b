public import Btrfs

/// How a pool's devices are.
public struct PoolHealth: Sendable, Equatable {
    /// Something wrong with a device.
    public struct Problem: Sendable, Equatable, CustomStringConvertible {
        public enum Kind: String, Sendable {
            case missing
            /// It has become smaller than its part of the file system.
            case cut
            /// It has had errors.
            case failing
        }

        public let device: UInt64
        public let path: String
        public let kind: Kind
        public let errors: DeviceErrors

        public var description: String {
            let name = "device \(device)\(path.isEmpty ? "" : " (\(path))")"
            let advice = "replace it: dish pool replace-device \(path.isEmpty ? "\(device)" : path) NEW"
            return switch kind {
            case .missing: "\(name) is missing; \(advice)"
            case .cut: "\(name) is smaller than its part of the pool, so not all of it can be reached; \(advice)"
            case .failing:
                "\(name) has had errors (\(errors.writes) on writing, \(errors.reads) on reading, \(errors.flushes) on flushing, \(errors.corruptions) corruptions, \(errors.generations) lost writes); see if copies are intact: dish pool scrub start; then \(advice), or count anew: dish pool show --reset-errors"
            }
        }
    }

    public let devices: [Device]
    public let problems: [Problem]

    public init(_ devices: [Device]) {
        self.devices = devices
        problems = devices.compactMap { device in
            guard !device.isHealthy else { return nil }
            return Problem(
                device: device.id, path: device.path, kind: device.isMissing ? .missing : device.isCut ? .cut : .failing,
                errors: device.errors)
        }
    }
}

extension Pool {
    public func health() throws -> PoolHealth { PoolHealth(try filesystem().devices()) }
}
