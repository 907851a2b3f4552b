import FoundationEssentials
import Glibc
import Layers
import Linux

/// The host's pip(1), with all of its caller's configuration: files, variables, proxies, certificates. Which index it asks is its matter.
struct HostPip: Sendable {
    private let program: String

    /// The bytes that are downloaded of one environment.
    private static let limit: UInt64 = 8 << 30

    /// - Parameter version: of the Python that the packages are for, like `3.11`; nil for any. pip looks at the Python that it runs with to
    ///   know which packages others need.
    init(for version: String?) async throws {
        var seen: [String] = []
        for program in Self.candidates(version) where !seen.contains(program) {
            seen.append(program)
            let script = "import sys, pip; print('%d.%d' % sys.version_info[:2])"
            let result = try? await Self.run(program, ["-c", script], within: .seconds(60))
            guard let result, result.status.isSuccess else { continue }
            let found = result.text.filter { !$0.isWhitespace }
            if version == nil || found == version {
                self.program = program
                return
            }
        }
        let which = version.map { "Python \($0)" } ?? "Python"
        throw BuildError(
            .python,
            "this host has no \(which) with pip, which resolves and fetches Python packages; install it: apt-get install python3-pip"
        )
    }

    /// The caller's first, as `pip` itself would be.
    private static func candidates(_ version: String?) -> [String] {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders = path.split(separator: ":").map(String.init).filter { $0.hasPrefix("/") }
        let names = (version.map { ["python\($0)"] } ?? []) + ["python3"]
        let own: [String] = folders.flatMap { folder in names.map { "\(folder)/\($0)" } }
        return own.filter { access($0, X_OK) == 0 } + names.compactMap { Executable.find($0) }
    }

    /// Fetches what packages and all that they need resolve to, for the Python and the C library of an image.
    ///
    /// - Returns: the files' names in the directory, sorted.
    func download(_ packages: [String], python: String, glibc: Int, to directory: String) async throws -> [String] {
        try await download(directory) { arguments in
            arguments.pair("python-version", python).pair("implementation", "cp")
                .pairs("platform", Self.platforms(glibc: glibc)).end(packages)
        }
    }

    /// Fetches exactly these wheels of one environment.
    func download(_ wheels: [LockedWheel], python: String, to directory: String) async throws -> [String] {
        let list = "\(directory)/requirements.txt"
        let lines = wheels.map { "\($0.selector) --hash=sha256:\($0.sha256)\n" }.joined()
        try Files.replace(list, with: lines.utf8, durable: false)
        defer { unlink(list) }
        // pip takes a wheel for another machine and Python if it is told which.
        let tags = Set(wheels.compactMap { LockedWheel.parts(of: $0.file) }.flatMap(\.platforms)).subtracting(["any"])
        return try await download(directory) { arguments in
            arguments.flag("no-deps", "require-hashes").pair("python-version", python).pair("implementation", "cp")
                .pairs("platform", tags.sorted()).pair("requirement", list)
        }
    }

    private func download(_ directory: String, _ selection: (Arguments) -> Arguments) async throws -> [String] {
        let arguments = Arguments("-m", "pip", "download").flag("quiet", "no-input", "disable-pip-version-check")
            .option("only-binary", ":all:").pair("dest", directory)
        let result = try await Self.run(program, selection(arguments).list, within: .seconds(3600), limit: Self.limit)
        guard result.status.isSuccess else {
            let lines = (result.errorText.isEmpty ? result.text : result.errorText).split(separator: "\n")
            throw BuildError(.python, "pip: \(lines.suffix(6).joined(separator: "\n  "))")
        }
        return try Files.list(directory).filter { $0.hasSuffix(".whl") }.sorted()
    }

    /// Names of PEP 600, and those from before it.
    private static func platforms(glibc: Int) -> [String] {
        #if arch(x86_64)
            let machine = "x86_64"
        #else
            let machine = "aarch64"
        #endif
        let newer = stride(from: glibc, through: 5, by: -1).map { "manylinux_2_\($0)_\(machine)" }
        return newer + ["manylinux2014", "manylinux2010", "manylinux1", "linux"].map { "\($0)_\(machine)" }
    }

    private static func run(
        _ program: String, _ arguments: [String], within time: Duration, limit: UInt64? = nil
    ) async throws -> Command.Result {
        var spawn = Spawn(program, arguments)
        spawn.timeLimit = time
        // Its configuration is found by HOME and other variables; it is the caller's own program.
        spawn.environment = ProcessInfo.processInfo.environment.merging(["PYTHONDONTWRITEBYTECODE": "1"]) { $1 }
        // Python takes modules from the working directory: one of a workspace could bring a pip of its own.
        spawn.directory = "/"
        if let limit { spawn.limits[CInt(RLIMIT_FSIZE.rawValue)] = .init(soft: limit, hard: limit) }
        return try await Command(spawn).run()
    }
}
