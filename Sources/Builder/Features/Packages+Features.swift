import DebianPackages
import Manifest

extension ImageBuild {
    func installPackages(in root: String, files: [String]) async throws {
        guard !packages.isEmpty else { return }
        step("install \(packages.count) packages")
        let paths = Dictionary(zip(packages.map(\.sha256), files)) { first, _ in first }
        let installer = PackageInstaller(runtime: sandbox.runtime, userBase: sandbox.userBase)
        let file: @Sendable (LockedPackage) -> String = { paths[$0.sha256] ?? "" }
        if target.debian != nil {
            try await installer.bootstrap(root: root, packages: packages, files: file, log: output)
        } else {
            try await installer.install(root: root, packages: packages, files: file, log: output)
        }
    }

    /// Lets packages run in tasks that are made for machines of their own.
    func adaptPackages(in root: borrowing RootDirectory) throws {
        for adaptation in TaskAdaptation.all where packages.contains(where: { $0.name == adaptation.package }) {
            let path = "/usr/lib/systemd/system/\(adaptation.unit).d/dish-task.conf"
            try root.write(path, Array(adaptation.text.utf8), mode: 0o644)
        }
    }

    /// dpkg(1) itself refuses to remove what another package needs.
    func removePackages(_ features: [Feature], in root: String) async throws {
        let names = features.compactMap { feature in
            if case .packageRemoval(let removal) = feature.content { removal.package } else { nil }
        }
        step("remove \(names.joined(separator: " "))")
        // dpkg takes the removal of a package that isn't there for done.
        let script = names.map { name in
            """
            [ "$(dpkg-query --show --showformat='${db:Status-Status}' \(name) 2>&1)" = installed ] || { echo "the package \(name) is not installed"; exit 1; }
            """
        }
        try await sandbox.run(
            (script + ["dpkg --force-unsafe-io --purge \(names.joined(separator: " "))"]).joined(separator: "\n"), in: root,
            what: "\(features[0].place): removing \(names.joined(separator: " ")) failed", onOutput: output)
    }

    /// Units are switched by the image's own systemctl, which knows what their [Install] sections mean.
    func switchUnits(_ features: [Feature], in root: String) async throws {
        let switches = features.compactMap { feature in
            if case .unitSwitch(let change) = feature.content { change } else { nil }
        }
        step("switch units")
        let lines = UnitSwitch.Verb.allCases.compactMap { verb -> String? in
            let units = switches.filter { $0.verb == verb }.map { "'\($0.unit)'" }
            return units.isEmpty ? nil : "systemctl --quiet \(verb.rawValue) -- \(units.joined(separator: " "))"
        }
        try await sandbox.run(
            lines.joined(separator: "\n"), in: root, what: "\(features[0].place): systemctl failed in \(target.label)",
            onOutput: output)
    }
}
