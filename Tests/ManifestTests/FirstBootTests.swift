import Testing

@testable import Manifest

@Suite struct FirstBootTests {
    private func features(_ text: String) throws -> [Feature] {
        let file = try ImageFile("images:\n  - name: x\n    parent: :y\n    \(text)\n", file: "IMAGES.yaml", folder: "")
        return try TargetReader { _, _, _ in file.definitions[0] }.image(file.definitions[0].label).features
    }

    private func fault(_ text: String) -> String? {
        do {
            _ = try features(text)
            return nil
        } catch {
            return (error as? ManifestError)?.message
        }
    }

    @Test func whatIsMadeAtTheFirstBootComesLast() throws {
        let all = try features("first_boot: [{name: key, creates: [/etc/key], script: make-key}]\n    run: [echo a]")
        guard case .firstBoot(let content) = all.last?.content else {
            Issue.record("\(all)")
            return
        }
        #expect(content.unit == "dish-first-boot-key.service" && content.before == [])
        #expect(content.provides.contains(.unit("dish-first-boot-key.service")) && content.provides.contains(.path("/etc/key")))
    }

    @Test(arguments: [
        ("first_boot: [{name: key, creates: [], script: a}]", "'creates' is empty; name what the script makes"),
        (
            "first_boot: [{name: key, creates: [/a], script: a}]\n    files: [{path: /a, text: a}]",
            "the path /a is provided twice and differently; the first time at IMAGES.yaml:4:18"
        ),
        (
            "first_boot: [{name: a/b, creates: [/a], script: a}]",
            "'a/b' can't be a name: use letters, digits, '.', '_' and '-'"
        ),
        ("python: [{packages: []}]", "'packages' of a Python environment is empty; name some"),
        (
            "python: [{packages: [a]}, {packages: [b]}]",
            "the path /opt/venv is provided twice and differently; the first time at IMAGES.yaml:4:14"
        ),
    ])
    func whatMakesNoSenseIsSaid(_ text: String, _ message: String) {
        #expect(fault(text) == message)
    }

    @Test(arguments: ["flask", "Flask", "zope.interface", "uvicorn[standard]", "a[b, c]>=1,<2", "a == 1.0.*", "a~=2.3", "a!=1"])
    func packagesOfPythonAreNamesWithVersions(_ name: String) {
        #expect(fault("python: [{packages: ['\(name)']}]") == nil)
    }

    @Test(arguments: [
        "", "-r", "--index-url=x", "a @ https://x", "a;b", "a>", "a=1", "./a", "a b", "a[", "-e .", "a>=1;python_version<'3'",
    ])
    func whatIsAnOptionAnAddressOrAMarkerIsRefused(_ name: String) {
        let quoted = name.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
        #expect(
            fault("python: [{packages: ['\(quoted)']}]")
                == "'\(name)' is not a Python package with extras and versions, like flask or uvicorn[standard]>=0.30,<1")
    }
}
