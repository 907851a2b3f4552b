import Layers
import Manifest
import Spec

/// The expectations of a test that the image's tree alone answers.
struct TreeCheck {
    private let test: ImageTest
    private let layer: Layer
    private let parent: LayerID?
    private let pool: Pool
    private let contents: ImageContents

    init(_ test: TestCase, in pool: Pool) throws {
        self.test = test.test
        self.pool = pool
        layer = test.layer
        parent = test.parent
        contents = try ImageContents(root: pool.root(of: layer.id))
    }

    func failures() throws -> [TestFailure] {
        var failures = test.packages.flatMap(check) + test.users.flatMap(check) + test.groups.flatMap(check)
        let root = try RootDirectory(pool.root(of: layer.id))
        for file in test.files { failures += try FileCheck(file, in: root, contents).failures() }
        if let budget = test.sizeBudget, UInt64(max(0, layer.size)) > budget.value {
            failures.append(
                TestFailure(
                    budget.place, expected: "\(ByteCount(bytes: budget.value)) of files at most",
                    seen: "there are \(ByteCount(bytes: UInt64(layer.size)))"))
        }
        if let changes = test.changes { failures += try check(changes) }
        return failures
    }

    private func check(_ package: Located<PackageExpectation>) -> [TestFailure] {
        let (name, installed) = (package.value.name, contents.packages[package.value.name])
        let seen = installed.map { "version \($0) is installed" } ?? "it isn't installed"
        let isFine: Bool
        let expected: String
        if package.value.isAbsent {
            (isFine, expected) = (installed == nil, "no package \(name)")
        } else if let version = package.value.version {
            (isFine, expected) = (installed == version, "the package \(name) in version \(version)")
        } else {
            (isFine, expected) = (installed != nil, "the package \(name)")
        }
        return isFine ? [] : [TestFailure(package.place, expected: expected, seen: seen)]
    }

    private func check(_ user: Located<UserExpectation>) -> [TestFailure] {
        let expected = user.value
        // Password, uid, gid, comment, home directory, shell.
        let fields = contents.users[expected.name].map { Self.fields($0) }
        guard let fields, fields.count == 6 else {
            return expected.isAbsent
                ? [] : [TestFailure(user.place, expected: "the user \(expected.name)", seen: "there is none")]
        }
        if expected.isAbsent {
            return [TestFailure(user.place, expected: "no user \(expected.name)", seen: "there is one, with uid \(fields[1])")]
        }
        var failures: [TestFailure] = []
        func compare(_ what: String, _ wanted: String?, _ found: String) {
            guard let wanted, wanted != found else { return }
            failures.append(
                TestFailure(
                    user.place, expected: "the \(what) of the user \(expected.name) to be \(wanted)", seen: "it is \(found)"))
        }
        compare("uid", expected.uid.map { String($0) }, fields[1])
        compare("home directory", expected.home, fields[4])
        compare("shell", expected.shell, fields[5])
        let belongs = groups(of: expected.name, gid: fields[2])
        for group in expected.groups where !belongs.contains(group) {
            failures.append(
                TestFailure(
                    user.place, expected: "the user \(expected.name) to belong to the group \(group)",
                    seen: "it belongs to \(belongs.isEmpty ? "none" : belongs.joined(separator: ", "))"))
        }
        return failures
    }

    /// Sorted.
    private func groups(of user: String, gid: String) -> [String] {
        contents.groups.filter { _, line in
            let fields = Self.fields(line)
            return fields.count == 3 && (fields[1] == gid || fields[2].split(separator: ",").contains { $0 == user })
        }.keys.sorted()
    }

    private func check(_ group: Located<GroupExpectation>) -> [TestFailure] {
        let expected = group.value
        let gid = contents.groups[expected.name].map { Self.fields($0) }.flatMap { $0.count == 3 ? $0[1] : nil }
        guard let gid else {
            return expected.isAbsent
                ? [] : [TestFailure(group.place, expected: "the group \(expected.name)", seen: "there is none")]
        }
        if expected.isAbsent {
            return [TestFailure(group.place, expected: "no group \(expected.name)", seen: "there is one, with gid \(gid)")]
        }
        guard let wanted = expected.gid, String(wanted) != gid else { return [] }
        return [TestFailure(group.place, expected: "the gid of the group \(expected.name) to be \(wanted)", seen: "it is \(gid)")]
    }

    static func fields(_ line: String) -> [String] {
        line.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    }

    /// The difference from the parent.
    private func check(_ allowed: Located<[String]>) throws -> [TestFailure] {
        let parent = try parent.map { try pool.tree(of: $0) } ?? .empty
        let others = try pool.tree(of: layer.id).changes(from: parent).filter { change in
            !allowed.value.contains { path in
                change.path == path || change.path.hasPrefix(path + "/")
                    // What leads to it.
                    || change.kind == .added && path.hasPrefix(change.path + "/")
            }
        }
        guard !others.isEmpty else { return [] }
        let lines = others.prefix(20).map { ([$0.kind.rawValue, $0.path] + $0.aspects).joined(separator: " ") }
        let more = others.count > 20 ? ["and \(others.count - 20) more"] : []
        let paths = allowed.value.isEmpty ? "" : " but at \(allowed.value.joined(separator: ", "))"
        return [
            TestFailure(
                allowed.place, expected: "no difference from the parent\(paths)",
                seen: "there are others\(quoted((lines + more).joined(separator: "\n"), ""))")
        ]
    }
}
