public import Btrfs
import Linux

/// How a pool's devices are, and whether all its content has the copies that it should have.
public struct PoolHealth: Sendable, Equatable {
    /// The state of a device: the worst that is known of it.
    public enum DeviceState: String, Sendable, Codable, CaseIterable {
        case ok, missing
        /// It has become smaller than its part of the file system.
        case cut
        /// It lacks commits that others have, and has some that they lack: each was written to without the other.
        case diverged
        /// It lacks commits that others have: they were written to without it.
        case stale
        /// It has had errors.
        case failing

        init(_ device: Device, _ behind: DeviceMemory.Behind?) {
            if device.isMissing {
                self = .missing
            } else if device.isCut {
                self = .cut
            } else if let behind {
                self = behind.isWrittenAlone ? .diverged : .stale
            } else {
                self = device.isHealthy ? .ok : .failing
            }
        }
    }

    /// A device whose state is not `ok`.
    public struct DeviceProblem: Sendable, Equatable {
        public let device: UInt64
        public let path: String
        public let kind: DeviceState
        public let errors: DeviceErrors
        public let behind: DeviceMemory.Behind?
    }

    /// Content that fewer devices may fail for than for the rest of its kind: it was written while a device was missing.
    public struct ThinContent: Sendable, Equatable {
        public let kind: Allocation.Kind
        /// Bytes.
        public let size: UInt64
        public let profile: Profile
        /// What the rest has.
        public let wanted: Profile

        /// What gives it the copies that it should have.
        public var advice: String {
            "give it its copies: dish pool balance start --\(kind == .data ? "data" : "metadata") \(wanted.rawValue)"
        }
    }

    public enum Problem: Sendable, Equatable {
        case device(DeviceProblem)
        case content(ThinContent)
        /// What is written has no checksums, by an option of the mount: `nodatacow` or `nodatasum`.
        case unchecked(option: String)
    }

    public let devices: [Device]
    public let problems: [Problem]

    var thin: [ThinContent] {
        problems.compactMap { if case .content(let thin) = $0 { thin } else { nil } }
    }

    public func state(ofDevice id: UInt64) -> DeviceState {
        for case .device(let problem) in problems where problem.device == id {
            return problem.kind
        }
        return .ok
    }

    /// - Parameters:
    ///   - behind: devices that lack commits.
    ///   - isChanging: whether content is being given another profile.
    ///   - options: of the mount, with commas.
    public init(
        _ devices: [Device], _ allocations: [Allocation], behind: [DeviceMemory.Behind] = [], isChanging: Bool,
        options: String = ""
    ) {
        self.devices = devices
        var problems: [Problem] = devices.compactMap { device in
            let behind = behind.first { $0.device == device.id }
            let state = DeviceState(device, behind)
            return state == .ok
                ? nil
                : .device(
                    DeviceProblem(device: device.id, path: device.path, kind: state, errors: device.errors, behind: behind))
        }
        // As long as a device is missing, replacing that is what is to be done.
        if !isChanging, !devices.contains(where: \.isMissing) {
            problems += allocations.compactMap { part in
                let best = allocations.filter { $0.kind == part.kind }.map(\.profile).max { $0.tolerance < $1.tolerance }
                guard let best, part.used > 0, part.profile.tolerance < best.tolerance else { return nil }
                return .content(ThinContent(kind: part.kind, size: part.used, profile: part.profile, wanted: best))
            }
        }
        let given = options.split(separator: ",")
        if let option = ["nodatacow", "nodatasum"].first(where: { given.contains(Substring($0)) }) {
            problems.append(.unchecked(option: option))
        }
        self.problems = problems
    }
}

extension PoolHealth.Problem: CustomStringConvertible {
    /// The same for the same device or kind of content, whatever is wrong with it.
    public var subject: String {
        switch self {
        case .device(let problem): "device \(problem.device)"
        case .content(let thin): thin.kind.rawValue
        case .unchecked: "mount"
        }
    }

    /// `missing`, `cut`, `diverged`, `stale`, `failing`, `thin`, or `without checksums`.
    public var kind: String {
        switch self {
        case .device(let problem): problem.kind.rawValue
        case .content: "thin"
        case .unchecked: "without checksums"
        }
    }

    /// What is wrong, why, and what to do.
    public var description: String {
        switch self {
        case .device(let problem): "\(problem)"
        case .content(let thin):
            "\(thin.size >> 20) MiB of \(thin.kind.rawValue) have the profile \(thin.profile.rawValue), the rest \(thin.wanted.rawValue): a device that fails takes them along; \(thin.advice)"
        case .unchecked(let option):
            "the pool is mounted with \(option), so what is written has no checksums: reads don't notice damage, and scrub finds none; mount it without that option"
        }
    }
}

extension PoolHealth.DeviceProblem: CustomStringConvertible {
    public var description: String {
        let name = "device \(device)\(path.isEmpty ? "" : " (\(path))")"
        let advice = "replace it: dish pool replace-device \(path.isEmpty ? "\(device)" : path) NEW"
        let commits = behind.map { "its last commit was \($0.generation), the others' \($0.newest)" } ?? ""
        let left = "files without checksums (chattr +C) may be read from it as they were"
        return switch kind {
        case .ok: "\(name) is ok"
        case .diverged:
            "\(name) and the others were written to without each other (\(commits)): what was written to it alone is not in the pool any more, bring that back from elsewhere; \(left); give it the pool's content: dish pool scrub start; where such files matter, \(advice)"
        case .stale:
            "\(name) was away while the others were written to (\(commits)); \(left); give it what it lacks: dish pool scrub start; where such files matter, \(advice)"
        case .missing: "\(name) is missing; \(advice)"
        case .cut: "\(name) is smaller than its part of the pool, so not all of it can be reached; \(advice)"
        case .failing:
            "\(name) has had errors (\(errors.writes) on writing, \(errors.reads) on reading, \(errors.flushes) on flushing, \(errors.corruptions) corruptions, \(errors.generations) lost writes); see if copies are intact: dish pool scrub start; then \(advice), or reset the counts: dish pool show"
        }
    }
}

extension Pool {
    /// The one place that says how a pool is: events, metrics, the page, `host doctor` and `pool show` read it.
    ///
    /// - Parameter registry: of the host.
    public func health(in registry: PoolRegistry) throws -> PoolHealth {
        let filesystem = try filesystem()
        let memory = try registry.deviceMemory(filesystemUUID)
        let behind =
            memory.behind.isEmpty ? [] : memory.behind(after: try ScrubHistory(of: self, in: registry).records())
        return PoolHealth(
            try filesystem.devices(), try filesystem.allocations(), behind: behind,
            isChanging: try filesystem.balanceProgress() != nil, options: try Mounts.containing(path)?.options ?? "")
    }
}
