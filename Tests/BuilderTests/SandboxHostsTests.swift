import Glibc
import Linux
import Testing

@testable import Builder

@Suite struct SandboxHostsTests {
    /// A root with an `/etc`, and a copy of it from before.
    private func withRoots(_ hosts: String?, _ body: (_ root: String, _ before: String) throws -> Void) throws {
        let folder = "/tmp/dish-unit-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { try? Files.removeTree(folder) }
        for root in ["root", "before"] {
            try Files.makeDirectories("\(folder)/\(root)/etc")
            if let hosts { try Files.replace("\(folder)/\(root)/etc/hosts", with: hosts.utf8, durable: false) }
        }
        try body("\(folder)/root", "\(folder)/before")
    }

    private func text(_ root: String) throws -> String? { try Files.readTextIfPresent("\(root)/etc/hosts") }

    @Test func aRootWithoutTheFileHasItWhileAStepRuns() throws {
        try withRoots(nil) { root, before in
            let time = Files.modified("\(root)/etc")
            try SandboxHosts.add(to: root)
            #expect(try text(root)?.contains("127.0.1.1\tbuild.localdomain build\n") == true)
            try SandboxHosts.remove(from: root, before: before)
            #expect(try text(root) == nil)
            #expect(Files.modified("\(root)/etc") == time)
            #expect(try SandboxHosts.isSame(root, before))
            // Once more changes nothing.
            try SandboxHosts.remove(from: root, before: before)
            #expect(try text(root) == nil)
        }
    }

    @Test(arguments: ["192.0.2.1 database\n", "192.0.2.1 database", ""])
    func whatTheImageHasStaysAsItIs(_ hosts: String) throws {
        try withRoots(hosts) { root, before in
            try SandboxHosts.add(to: root)
            #expect(try text(root)?.hasPrefix(hosts) == true && text(root)?.hasSuffix("build\n") == true)
            try SandboxHosts.remove(from: root, before: before)
            #expect(try text(root) == hosts)
            try SandboxHosts.add(to: root, onlyIfMissing: true)
            #expect(try text(root) == hosts)
        }
    }

    @Test func whatAStepAddsStays() throws {
        for hosts in [nil, "192.0.2.1 database\n"] {
            try withRoots(hosts) { root, before in
                try SandboxHosts.add(to: root)
                let now = try text(root) ?? ""
                try Files.replace("\(root)/etc/hosts", with: (now + "192.0.2.2 cache\n").utf8, durable: false)
                try SandboxHosts.remove(from: root, before: before)
                #expect(try text(root) == (hosts ?? "") + "192.0.2.2 cache\n")
                #expect(try !SandboxHosts.isSame(root, before))
            }
        }
    }

    @Test func whatAStepPutsInItsPlaceStays() throws {
        try withRoots(nil) { root, before in
            try SandboxHosts.add(to: root)
            try Files.replace("\(root)/etc/hosts", with: "mine\n".utf8, durable: false)
            try SandboxHosts.remove(from: root, before: before)
            #expect(try text(root) == "mine\n")
        }
    }

    @Test func linksAndWhatIsNoFileAreLeftAlone() throws {
        try withRoots(nil) { root, before in
            let outside = "\(Files.parent(of: root))/outside"
            try Files.replace(outside, with: "outside\n".utf8, durable: false)
            symlink(outside, "\(root)/etc/hosts")
            try SandboxHosts.add(to: root)
            try SandboxHosts.remove(from: root, before: before)
            #expect(try Files.readText(outside) == "outside\n")
            unlink("\(root)/etc/hosts")
            mkfifo("\(root)/etc/hosts", 0o600)
            try SandboxHosts.add(to: root)
            try SandboxHosts.remove(from: root, before: before)
        }
        try withRoots(nil) { root, _ in
            // A root without an /etc.
            try Files.removeTree("\(root)/etc")
            try SandboxHosts.add(to: root)
            #expect(try Files.list(root) == [])
        }
    }
}
