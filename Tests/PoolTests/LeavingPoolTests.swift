import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// Whatever is in a pool can leave it and come to another, with what it is called.
extension Registries {
    @Suite struct LeavingPoolTests {
        /// A root file system in an archive, and what skopeo makes of one: a layout without a name.
        private static func makeArchive(_ folder: String, _ name: String) async throws {
            let script = """
                set -e; cd '\(folder)'; mkdir -p root/etc; echo root:x:0:0::/:/bin/sh > root/etc/passwd
                tar -cf '\(name)' -C root .
                """
            let made = try await Command("/bin/sh", ["-c", script]).run()
            guard made.status.isSuccess else { throw FixtureError("make an archive: \(made.errorText)") }
        }

        private static func send(_ host: TestHost, _ pool: Pool, _ reference: String, to file: String) async throws {
            let arguments = ["-c", "exec \"$0\" image send \"$1\" --pool \"$2\" > '\(file)'", Programs.path("dish")]
            let sent = try await Command("/bin/sh", arguments + [reference, pool.path]).run()
            #expect(sent.status.isSuccess, "\(sent.errorText)")
        }

        @Test func whateverCameInLeavesAndComesBackWithItsName() async throws {
            try await Registries.withHosts { hosts in
                let (sender, receiver, registry) = (hosts.sender, hosts.receiver, hosts.registry.host)
                let folder = try Scratch.make("leaving")
                func check(_ outcome: Outcome) { #expect(outcome.code == 0, "\(outcome)") }
                // A label with blanks, one with what acts on terminals, and one longer than any registry takes.
                let long = (0..<3).map { "\($0)" + String(repeating: "x", count: 180) }.joined(separator: "/")
                try Files.makeDirectories("\(folder)/\(Files.parent(of: long))")
                let archives = ["plain.tar", "a b\u{1b}[2J\n\u{9b}c.tar", long]
                for (index, name) in archives.enumerated() {
                    try await Self.makeArchive(folder, name)
                    check(try await sender.dish("image", "import", "tar:\(folder)/\(name)", "--name", "tree\(index)"))
                }
                // Its layers are called after the image and a number.
                try await RunningImage(on: sender).make("box")
                try await Registries.build(sender, version: 1, megabytes: 1)
                check(try await sender.dish("image", "tag", "//app:app", "tagged"))

                for name in ["tree0", "tree1", "tree2", "box:1", "//app:app", "tagged"] {
                    let id = try hosts.senderPool.resolve(name).id
                    let file = "\(folder)/stream"
                    try await Self.send(sender, hosts.senderPool, name, to: file)
                    check(try await receiver.dish("image", "receive", file, "--trust-names", "--force"))
                    #expect(try hosts.receiverPool.resolve(name).id == id, "\(name)")
                    for name in try hosts.receiverPool.allNames().keys { try hosts.receiverPool.removeName(name) }
                    check(try await receiver.dish("image", "gc", "--all", "--age", "0d"))
                    #expect(try hosts.receiverPool.allLayers().isEmpty)
                    check(try await sender.dish("image", "push", name, "\(registry)/leaving/\(id.short):1"))
                    check(try await receiver.dish("image", "pull", "\(registry)/leaving/\(id.short):1"))
                    #expect(try hosts.receiverPool.resolve("\(registry)/leaving/\(id.short):1").id == id)
                }
                // By its id it says what it is called, too.
                let id = try hosts.senderPool.resolve("box:1").id
                try await Self.send(sender, hosts.senderPool, id.hex, to: "\(folder)/stream")
                check(try await receiver.dish("image", "receive", "\(folder)/stream", "--trust-names", "--force"))
                #expect(try hosts.receiverPool.resolve("box:1").id == id)
            }
        }
    }
}
