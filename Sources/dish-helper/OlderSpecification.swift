import Cgroups
import Spec
import TaskHelper

/// The specification as agents wrote it that had no JSON for it: options and the program, each ended by a NUL byte. Such an agent may
/// start a helper in the moment between the installation of this program and its own restart.
struct OlderSpecification {
    private(set) var spec: HelperSpec

    /// - Returns: nil when something is missing, unknown or no number.
    init?(text: [UInt8]) {
        let words = text.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        guard let end = words.firstIndex(of: "--"), end + 1 < words.count else { return nil }
        spec = HelperSpec(
            id: "", name: "", stateDirectory: "", runtimeDirectory: "", log: "", program: Array(words[(end + 1)...]))
        for word in words[..<end] {
            let equals = word.utf8.firstIndex(of: UInt8(ascii: "=")) ?? word.endIndex
            guard take(String(word[..<equals]), String(word[equals...].utf8.dropFirst()) ?? "") else { return nil }
        }
        spec.name = spec.id
        guard (try? spec.check()) != nil else { return nil }
    }

    /// The path of a file, and the name of a credential, that the next option has the content of.
    private var (file, credential) = ("", "")

    private mutating func take(_ name: String, _ value: String) -> Bool {
        switch name {
        case "--id": spec.id = value
        case "--generation": return Self.read(value, into: &spec.generation)
        case "--state": spec.stateDirectory = value
        case "--run": spec.runtimeDirectory = value
        case "--log": spec.log = value
        case "--log-size": return Self.read(value, into: &spec.logSize)
        case "--log-files": return Self.read(value, into: &spec.logFiles)
        case "--terminal": spec.terminal = true
        case "--input": spec.input = true
        case "--wait": spec.waitsForClient = true
        case "--boot": spec.boots = true
        case "--stop-signal": return Self.read(value, into: &spec.stopSignal)
        case "--not-durable": spec.durable = false
        case "--network": spec.networkNamespace = value
        case "--oom-score": return Self.read(value, into: &spec.oomScore)
        case "--device-policy": spec.requiresDevicePolicy = true
        case "--mount": spec.mounts.append(HelperMount(value, base: ""))
        case "--private": spec.privateDirectories.append(value)
        case "--file": file = value
        case "--content": spec.files[file] = value
        case "--user-base": return Self.read(value, into: &spec.userBase)
        case "--credential": credential = value
        case "--credential-file": spec.credentials[credential] = value
        case "--filter":
            guard let filter = [UInt8](hexadecimal: value) else { return false }
            spec.filters.append(filter)
        case "--start": spec.start = StartProgram()
        default:
            if name.hasPrefix("--mount-"), let last = spec.mounts.indices.last {
                return Self.set(name, value, of: &spec.mounts[last])
            }
            if name.hasPrefix("--start-"), spec.start != nil { return Self.set(name, value, of: &spec.start!) }
            return spec.limits.set(String(name.dropFirst(2)), to: value)
        }
        return true
    }

    private static func set(_ name: String, _ value: String, of mount: inout HelperMount) -> Bool {
        switch name {
        case "--mount-base": mount.base = value
        case "--mount-path": mount.path = value
        case "--mount-rooted": mount.baseIsRoot = true
        case "--mount-resolved": mount.baseIsResolved = true
        default: return false
        }
        return true
    }

    private static func set(_ name: String, _ value: String, of start: inout StartProgram) -> Bool {
        switch name {
        case "--start-end": start.endFile = value
        case "--start-candidate": start.candidates.append(value)
        case "--start-argument": start.arguments.append(value)
        case "--start-variable": start.environment.append(value)
        case "--start-as":
            // USER:GROUP:GROUP,GROUP
            let numbers = value.split { $0 == ":" || $0 == "," }.map { UInt32($0) }
            guard numbers.count >= 2, !numbers.contains(nil) else { return false }
            let ids = numbers.compactMap(\.self)
            start.identity = .init(user: ids[0], group: ids[1], groups: Array(ids[2...]))
        default: return false
        }
        return true
    }

    private static func read<Number: FixedWidthInteger>(_ text: String, into number: inout Number) -> Bool {
        guard let value = Number(text) else { return false }
        number = value
        return true
    }
}
