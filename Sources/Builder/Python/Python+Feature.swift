import Glibc
import Linux
import Manifest
import Runtime

extension ImageBuild {
    /// The directory of the wheels inside the sandbox.
    private static let inside = "/run/dish-wheels"

    /// Makes a virtual environment with the image's own Python, and installs wheels in it with the pip that was locked with them.
    func install(_ environment: PythonEnvironment, in root: String, at place: ManifestError.Place) async throws {
        let locked = wheels.wheels(of: environment.path)
        guard let installer = locked.first(where: \.isInstaller) else {
            throw ManifestError(place, "the lock file has no pip for '\(environment.path)'; run: dish image plan \(target.label)")
        }
        let installed = locked.filter { !$0.isInstaller }
        step("install \(installed.count) Python packages in \(environment.path)")
        let folder = "\(Files.parent(of: root))/wheels"
        try await blocking { try stage(locked, in: folder) }
        // No byte code: it differs from build to build.
        try await sandbox.run(
            """
            command -v python3 > /dev/null || { echo "the image has no python3; add it to 'packages'"; exit 1; }
            python3 -m venv --without-pip \(Self.quoted(environment.path))
            \(Self.quoted("\(environment.path)/bin/python3")) \(Self.inside)/\(installer.file)/pip install --quiet --no-index \\
                --find-links \(Self.inside) --no-deps --no-compile --no-cache-dir --disable-pip-version-check \\
                --root-user-action=ignore \(installed.map { Self.quoted($0.selector) }.joined(separator: " "))
            """, in: root, what: "\(place): installing Python packages failed",
            configure: { container in
                container.binds.append(.init(folder, at: Self.inside))
                container.environment["PYTHONDONTWRITEBYTECODE"] = "1"
            }, onOutput: output)
        try await blocking { try Files.removeTree(folder) }
    }

    /// Hard links to the cache under the names that pip wants, beside the root, where they go with all else that a killed build leaves.
    private func stage(_ locked: [LockedWheel], in folder: String) throws {
        try Files.removeTree(folder)
        try Files.makeDirectories(folder, mode: 0o755)
        for wheel in locked {
            try retryingInterrupts("link", wheel.file) { link(wheel.cachePath(in: wheels.cache), "\(folder)/\(wheel.file)") }
        }
    }

    private static func quoted(_ text: String) -> String { "'\(text.replacing("'", with: "'\\''"))'" }
}
