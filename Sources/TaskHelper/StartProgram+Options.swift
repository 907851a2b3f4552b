extension StartProgram {
    /// As a helper is told of it.
    var options: [String] {
        var list = ["--start"]
        if let endFile { list.append("--start-end=\(endFile)") }
        if let identity {
            let groups = identity.groups.map { "\($0)" }.joined(separator: ",")
            list.append("--start-as=\(identity.user):\(identity.group):\(groups)")
        }
        list += candidates.map { "--start-candidate=\($0)" }
        list += arguments.map { "--start-argument=\($0)" }
        return list + environment.map { "--start-variable=\($0)" }
    }

    /// Takes one of `options` back in; false for what is unknown or misread.
    static func set(_ start: inout StartProgram?, _ name: String, to value: String) -> Bool {
        if name == "--start" {
            start = StartProgram(candidates: [], arguments: [], environment: [])
            return true
        }
        guard start != nil else { return false }
        switch name {
        case "--start-end": start?.endFile = value
        case "--start-candidate": start?.candidates.append(value)
        case "--start-argument": start?.arguments.append(value)
        case "--start-variable": start?.environment.append(value)
        case "--start-as":
            guard let identity = Identity(value) else { return false }
            start?.identity = identity
        default: return false
        }
        return true
    }
}

extension StartProgram.Identity {
    /// From `USER:GROUP:GROUP,GROUP`.
    fileprivate init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let user = UInt32(parts[0]), let group = UInt32(parts[1]) else { return nil }
        let words = parts[2].split(separator: ",")
        let groups = words.compactMap { UInt32($0) }
        guard groups.count == words.count else { return nil }
        self.init(user: user, group: group, groups: groups)
    }
}
