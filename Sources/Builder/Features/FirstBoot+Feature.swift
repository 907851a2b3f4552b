import DebianPackages
import Glibc
import Linux
import Manifest

/// Files that each task makes for itself when it is first booted: a unit of the image's systemd, and the script that it runs.
struct FirstBootUnit: Sendable {
    let name: String
    let script: String
    /// With whether each is a directory, which stays and is empty until the script has run.
    let creates: [(path: String, isDirectory: Bool)]
    /// Units that need it; empty for all.
    let before: [String]

    private static let units = "/usr/lib/systemd/system"
    private var unit: String { "dish-first-boot-\(name).service" }
    private var scriptPath: String { "/usr/lib/dish/first-boot/\(name)" }

    init(_ feature: FirstBoot, directories: Set<String>) {
        name = feature.name
        script = feature.script
        creates = feature.creates.map { ($0, directories.contains($0)) }
        before = feature.before
    }

    init(_ key: InstalledKey) {
        name = key.name
        script = key.script
        creates = key.creates.map { ($0, false) }
        before = key.before
    }

    func write(to root: borrowing RootDirectory) throws {
        try root.write(scriptPath, Array((script + (script.hasSuffix("\n") ? "" : "\n")).utf8), mode: 0o755)
        try root.write("\(Self.units)/\(unit)", Array(text.utf8), mode: 0o644)
        if before.isEmpty { try root.makeSymlink("\(Self.units)/basic.target.wants/\(unit)", to: "../\(unit)") }
        for other in before {
            // Unlike links in `.requires`, this orders instances of templates too.
            let dropIn = "[Unit]\nRequires=\(unit)\nAfter=\(unit)\n"
            try root.write("\(Self.units)/\(other).d/\(unit.dropLast(8)).conf", Array(dropIn.utf8), mode: 0o644)
        }
    }

    /// Sockets and all that comes with basic.target may need it.
    private var text: String {
        let conditions = creates.map { path, isDirectory in
            let path = path.replacing("%", with: "%%")
            return isDirectory ? "ConditionDirectoryNotEmpty=|!\(path)" : "ConditionPathExists=|!\(path)"
        }
        return """
            [Unit]
            Description=Make \(name) of this task's own
            DefaultDependencies=no
            Requires=sysinit.target
            After=sysinit.target
            \(before.isEmpty ? "Before=basic.target shutdown.target" : "Before=shutdown.target")
            Conflicts=shutdown.target
            \(conditions.joined(separator: "\n"))

            [Service]
            Type=oneshot
            RemainAfterExit=yes
            ExecStart=/bin/sh -e \(scriptPath)
            StandardOutput=journal

            """
    }
}

extension ImageBuild {
    /// Takes out of the image what tasks make for themselves, and puts in what makes it.
    func prepare(_ feature: FirstBoot, in root: borrowing RootDirectory) throws {
        var directories: Set<String> = []
        for path in feature.creates {
            guard try root.isDirectoryItself(path) else {
                _ = try root.remove(path)
                continue
            }
            directories.insert(path)
            try root.empty(path)
        }
        try FirstBootUnit(feature, directories: directories).write(to: root)
    }

    /// Has each task make anew what was taken out of the image, where it has a systemd that can.
    func replace(_ keys: [InstalledKey], in root: String) throws {
        guard !keys.isEmpty else { return }
        let directory = try RootDirectory(root)
        guard directory.isDirectory("/usr/lib/systemd/system") else { return }
        for key in keys { try FirstBootUnit(key).write(to: directory) }
        step("left to the first boot: \(keys.map(\.name).joined(separator: ", "))")
    }
}
