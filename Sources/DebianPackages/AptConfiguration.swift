import Glibc
import Linux

/// Running apt with the host's configuration and a state of our own.
extension DebianArchive {
    private var configuration: String { "\(directory)/apt.conf" }

    /// apt.conf(5): `$APT_CONFIG` is read first and says where the rest is, so the host's snippets are linked
    /// into a directory of ours, where the last file takes its hooks out.
    func writeConfiguration() throws {
        try replaceIfDifferent(
            "\(directory)/apt.conf",
            """
            Dir::Etc::parts "\(directory)/conf.d";
            Dir::Etc::sourcelist "/dev/null";
            Dir::Etc::sourceparts "\(directory)/sources";
            Dir::Etc::preferences "/dev/null";
            Dir::Etc::preferencesparts "/dev/null";
            Dir::State "\(directory)";
            Dir::State::lists "\(directory)/lists";
            Dir::State::status "/dev/null";
            Dir::State::extended_states "/dev/null";
            Dir::Cache "\(directory)";
            Dir::Cache::archives "\(directory)/archives";

            """)
        let host = "/etc/apt/apt.conf.d"
        for name in Files.isDirectory(host) ? try Files.list(host) : [] {
            if symlink("\(host)/\(name)", "\(directory)/conf.d/\(name)") != 0, errno != EEXIST {
                throw SystemError("link", "\(directory)/conf.d/\(name)")
            }
        }
        try replaceIfDifferent(
            "\(directory)/conf.d/zzz-dish",
            """
            #clear APT::Update::Pre-Invoke;
            #clear APT::Update::Post-Invoke;
            #clear APT::Update::Post-Invoke-Success;
            #clear DPkg::Pre-Invoke;
            #clear DPkg::Post-Invoke;
            #clear DPkg::Pre-Install-Pkgs;
            APT::Sandbox::User "root";
            Acquire::Retries "3";
            Acquire::Languages "none";

            """)
        try replaceIfDifferent("\(directory)/sources/host.sources", sources.text)
    }

    private func replaceIfDifferent(_ path: String, _ text: String) throws {
        if try Files.readTextIfPresent(path) != text { try Files.replace(path, with: text.utf8, durable: false) }
    }

    func apt(_ program: String, _ arguments: Arguments) async throws -> Command.Result {
        guard let path = Executable.find(program) else {
            throw PackageError("\(program) is not installed: Debian images are built on Debian hosts")
        }
        return try await run(path, arguments.list)
    }

    /// Downloads: triples of URI, file and digest.
    func helper(_ triples: [String]) async throws -> Command.Result {
        try await run("/usr/lib/apt/apt-helper", ["download-file"] + triples)
    }

    private func run(_ program: String, _ arguments: [String]) async throws -> Command.Result {
        var spawn = Spawn(program, arguments)
        spawn.environment["APT_CONFIG"] = configuration
        for name in ["http_proxy", "https_proxy", "no_proxy"] {
            if let value = getenv(name) { spawn.environment[name] = String(cString: value) }
        }
        let result = try await Command(spawn).run()
        // Half an answer would be read as a whole one.
        guard !result.isIncomplete else {
            throw PackageError(
                "\(program) \(arguments.first ?? ""): its output is cut off: there are more than 64 MiB of it, or something that it started still runs; look for a hook in /etc/apt/apt.conf.d"
            )
        }
        return result
    }
}
