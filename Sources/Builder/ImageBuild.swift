import Btrfs
import DebianPackages
import Layers
import Linux
import Manifest
import Runtime

/// Makes one image's tree in a staging directory, feature by feature, in an order that doesn't depend on
/// the file's: packages, accounts, directories, files, links, units, then `run`.
struct ImageBuild: Sendable {
    let target: ImageTarget
    let packages: [LockedPackage]
    let inputs: BuildInputs
    let sandbox: BuildSandbox
    let report: @Sendable (BuildEvent) -> Void

    func make(in root: String, packageFiles: [String]) async throws {
        try await installPackages(in: root, files: packageFiles)
        try await blocking { try edit(RootDirectory(root)) }
        try await switchUnits(in: root)
        for (index, run) in target.runs.enumerated() {
            report(.step(target.label, "run step \(index + 1) of \(target.runs.count)"))
            try await sandbox.run(run.script, in: root, what: "\(run.place): the run step failed", onOutput: output)
        }
        try await blocking { try DebianTidy.tidy(root: root) }
    }

    private var output: @Sendable ([UInt8]) -> Void {
        { [report, label = target.label] in report(.output(label, $0)) }
    }

    private func installPackages(in root: String, files: [String]) async throws {
        guard !packages.isEmpty else { return }
        report(.step(target.label, "install \(packages.count) packages"))
        let paths = Dictionary(zip(packages.map(\.sha256), files)) { first, _ in first }
        let installer = PackageInstaller(runtime: sandbox.runtime, userBase: sandbox.userBase)
        let file: @Sendable (LockedPackage) -> String = { paths[$0.sha256] ?? "" }
        if case .debian = target.origin {
            try await installer.bootstrap(root: root, packages: packages, files: file, log: output)
        } else {
            try await installer.install(root: root, packages: packages, files: file, log: output)
        }
    }

    private func edit(_ root: borrowing RootDirectory) throws {
        var accounts = try Accounts(root)
        for group in target.groups { try accounts.add(group) }
        var homes: [(ImageTarget.User, user: UInt32, group: UInt32)] = []
        for user in target.users {
            let ids = try accounts.add(user)
            homes.append((user, ids.user, ids.group))
        }
        if !target.groups.isEmpty || !target.users.isEmpty { try accounts.write(to: root) }
        for (user, id, group) in homes where !root.exists(user.home) {
            try root.makeDirectory(user.home, mode: 0o700, owner: id, group: group)
        }
        for directory in target.directories.sorted(by: { $0.path < $1.path }) {
            let owner = try accounts.user(directory.owner, for: directory.place)
            let group = try accounts.group(directory.group, for: directory.place)
            try located(directory.place) {
                try root.makeDirectory(directory.path, mode: directory.mode, owner: owner, group: group)
            }
        }
        for file in target.files {
            let owner = try accounts.user(file.owner, for: file.place)
            let group = try accounts.group(file.group, for: file.place)
            try located(file.place) {
                try root.write(file.path, inputs.bytes(of: file.content), mode: file.mode, owner: owner, group: group)
            }
        }
        for link in target.symlinks { try located(link.place) { try root.makeSymlink(link.path, to: link.target) } }
        for unit in target.units {
            try located(unit.place) {
                try root.write("/etc/systemd/system/\(unit.name)", inputs.bytes(of: unit.content), mode: 0o644)
            }
        }
    }

    /// Units are switched by the image's own systemctl, which knows what their [Install] sections mean.
    private func switchUnits(in root: String) async throws {
        let enabled = target.units.filter(\.enable).map(\.name) + target.enabledUnits.map(\.name)
        let changes = [
            ("enable", enabled), ("disable", target.disabledUnits.map(\.name)), ("mask", target.maskedUnits.map(\.name)),
        ]
        let lines = changes.filter { !$0.1.isEmpty }.map { verb, units in
            "systemctl --quiet \(verb) -- \(units.sorted().map { "'\($0)'" }.joined(separator: " "))"
        }
        guard !lines.isEmpty else { return }
        report(.step(target.label, "switch units"))
        try await sandbox.run(
            lines.joined(separator: "\n"), in: root, what: "\(target.place): systemctl failed in \(target.label)",
            onOutput: output)
    }

    /// Gives an error of the file system the line that asked for it.
    private func located(_ place: ManifestError.Place, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as SystemError {
            throw ManifestError(place, "\(error)")
        }
    }
}
