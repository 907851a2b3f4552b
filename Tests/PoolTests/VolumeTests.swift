import Btrfs
import Fixtures
import FoundationEssentials
import Glibc
import Layers
import Linux
import Testing

extension Registries {
    /// Volumes: their size, their snapshots, and their ways to other hosts.
    @Suite struct VolumeTests {
        /// What `dish volume show` says.
        private struct Shown: Decodable {
            struct Snapshot: Decodable {
                let name: String
                let id: String
            }

            let name: String
            let size: UInt64?
            let used: UInt64?
            let snapshots: [Snapshot]
            let users: [String]
            let path: String
        }

        private func show(_ host: TestHost, _ name: String) async throws -> Shown {
            try JSONDecoder().decode(Shown.self, from: Data(await host.dish("volume", "show", name, "--json").output.utf8))
        }

        private func shell(_ script: String) async throws {
            let result = try await Command("/bin/sh", ["-ec", script]).run()
            guard result.status.isSuccess else { throw FixtureError("\(script): \(result.text)\(result.errorText)") }
        }

        /// A volume with files of every type, and 8 MiB that don't compress.
        private func fill(_ host: TestHost, _ name: String, size: String = "1G") async throws -> String {
            let made = try await host.dish("volume", "create", name, "--size", size)
            guard made.code == 0 else { throw FixtureError("\(made)") }
            let path = try await show(host, name).path
            try Files.replace("\(path)/noise", with: noise(8 << 20), durable: false)
            try await shell(
                """
                cd \(path) && mkdir -p deep/er && echo x > deep/er/x && ln deep/er/x hard && ln -s ../../../../etc/passwd link
                mkfifo pipe && mknod null c 1 3 && truncate -s 100M sparse && printf 'new\\nline' > 'new
                line' && chown 1000:1001 deep hard && chmod 4755 hard && touch -d @1.5 deep/er && mkdir empty
                python3 -c 'import os; os.setxattr("noise", "user.note", b"kept")'
                """)
            return path
        }

        private func requireNoneLeft(_ pool: Pool) throws {
            #expect(try pool.allVolumes() == [] && Files.list("\(pool.path)/staging") == [])
        }

        @Test func aVolumeTravelsInAFileAndItsUpdateIsTheDifference() async throws {
            try await withHosts { hosts in
                let path = try await fill(hosts.sender, "data")
                let folder = try Scratch.make("streams")
                for name in ["monday", "tuesday"] {
                    let made = try await hosts.sender.dish("volume", "snapshot", "data", name)
                    #expect(made.text == "data@\(name)", "\(made)")
                    // Of the second only what changed was read; its id is that of all of it.
                    let snapshot = try hosts.senderPool.snapshot(name, of: "data")
                    #expect(try TreeDigest(of: hosts.senderPool.data(ofSnapshot: name, of: "data")).id == snapshot.id)
                    let since = name == "monday" ? [] : ["--since", "monday"]
                    let sent = try await hosts.sender.dish(
                        arguments: ["volume", "send", "data@\(name)", "-o", "\(folder)/\(name)"] + since)
                    try #require(sent.code == 0, "\(sent)")
                    for attempt in 0..<2 {
                        let received = try await hosts.receiver.dish("volume", "receive", "copy", "\(folder)/\(name)")
                        #expect(received.code == 0 && received.text == "copy@\(name) \(snapshot.id)", "\(received)")
                        // The first makes the volume, and says how large its sender wants it. The data follows.
                        let isNew = name == "monday" && attempt == 0
                        let said = isNew ? "dish: the volume 'copy' may take 1 GiB, as its sender says; " : ""
                        #expect(received.errors.hasPrefix(said) && (isNew || received.errors.isEmpty), "\(received)")
                    }
                    #expect(try TreeDigest(of: hosts.receiverPool.data(ofSnapshot: name, of: "copy")).id == snapshot.id)
                    #expect(try TreeDigest(of: hosts.receiverPool.data(ofVolume: "copy")).id == snapshot.id)
                    #expect(try Subvolume.info(hosts.receiverPool.data(ofSnapshot: name, of: "copy")).isReadOnly)
                    if name == "tuesday" { break }
                    try await shell(
                        "cd \(path) && printf changed | dd of=noise bs=1 seek=5000000 conv=notrunc status=none && rm hard && mv deep moved"
                    )
                }
                var status = stat()
                #expect(stat("\(folder)/tuesday", &status) == 0 && status.st_size < 64 << 10, "\(status.st_size)")
                // The same from the other host, byte for byte; and the kernel's own tool takes it.
                let back = try await hosts.receiver.dish("volume", "send", "copy@monday", "-o", "\(folder)/back")
                #expect(back.code == 0, "\(back)")
                try await shell("cmp \(folder)/monday \(folder)/back")
                try Files.makeDirectories("\(hosts.senderPool.path)/stock")
                try await shell("btrfs receive -q -f \(folder)/monday \(hosts.senderPool.path)/stock")
                let stock = try #require(try Files.list("\(hosts.senderPool.path)/stock").first)
                let monday = try hosts.senderPool.snapshot("monday", of: "data")
                #expect(try TreeDigest(of: "\(hosts.senderPool.path)/stock/\(stock)").id == monday.id)
                #expect(try await show(hosts.receiver, "copy").snapshots.map(\.name) == ["monday", "tuesday"])
            }
        }

        @Test func aVolumeTravelsThroughAPipe() async throws {
            try await withHosts { hosts in
                _ = try await fill(hosts.sender, "data")
                let other = "DISH_POOL=\(hosts.receiverPool.path) DISH_STATE_DIR=\(hosts.receiver.stateDirectory)"
                for since in [[], ["--since", "first"]] {
                    let piped = try await hosts.sender.dish(
                        arguments: ["volume", "send"] + (since.isEmpty ? ["data@first"] : ["data"] + since),
                        under: ["/bin/sh", "-c", "\"$@\" | \(other) \"$1\" volume receive data", "sh"])
                    // There is no such snapshot yet: nothing arrives, and that is an error.
                    if since.isEmpty {
                        #expect(piped.code == 1 && piped.errors.contains("no snapshot 'first'"), "\(piped)")
                        #expect(try await hosts.sender.dish("volume", "snapshot", "data", "first").code == 0)
                        let again = try await hosts.sender.dish(
                            arguments: ["volume", "send", "data@first"],
                            under: ["/bin/sh", "-c", "\"$@\" | \(other) \"$1\" volume receive data", "sh"])
                        #expect(again.code == 0 && again.output.hasPrefix("data@first "), "\(again)")
                    } else {
                        #expect(piped.code == 0 && piped.errors.contains("made data@2"), "\(piped)")
                    }
                }
                let (sent, received) = (try await show(hosts.sender, "data"), try await show(hosts.receiver, "data"))
                #expect(sent.snapshots.map(\.id) == received.snapshots.map(\.id) && received.snapshots.count == 2)
                #expect(received.size == 1 << 30)
            }
        }

        @Test func whatIsDamagedLeavesNothing() async throws {
            try await withHosts { hosts in
                _ = try await fill(hosts.sender, "data")
                let file = try Scratch.make("streams") + "/stream"
                let sent = try await hosts.sender.dish("volume", "send", "data", "-o", file)
                #expect(sent.code == 0 && sent.errors.contains("made data@"), "\(sent)")
                let whole = try Files.read(file)
                for (count, spoilt) in [(whole.count / 2, nil), (whole.count, whole.count / 2), (20, nil), (0, nil)] {
                    var bytes = Array(whole.prefix(count))
                    if let spoilt { bytes[spoilt] ^= 1 }
                    try Files.replace("\(file).bad", with: bytes, durable: false)
                    let received = try await hosts.receiver.dish("volume", "receive", "data", "\(file).bad")
                    #expect(received.code == 1 && received.errors.contains(/stream|nothing to receive/), "\(received)")
                    try requireNoneLeft(hosts.receiverPool)
                }
                // Another kind of stream, and a base that isn't here.
                try await build(hosts.sender, version: 1, megabytes: 1)
                let image = try await hosts.sender.dish(
                    arguments: ["image", "send", "//app:app"], under: ["/bin/sh", "-c", "\"$@\" > \(file).bad", "sh"])
                #expect(image.code == 0, "\(image)")
                let other = try await hosts.receiver.dish("volume", "receive", "data", "\(file).bad")
                #expect(other.code == 1 && other.errors.contains("dish volume send"), "\(other)")
                let first = try #require(try await show(hosts.sender, "data").snapshots.first?.name)
                #expect(try await hosts.sender.dish("volume", "send", "data", "--since", first, "-o", "\(file).bad").code == 0)
                let alone = try await hosts.receiver.dish("volume", "receive", "data", "\(file).bad")
                #expect(alone.code == 1 && alone.errors.contains("dish volume show data"), "\(alone)")
                try requireNoneLeft(hosts.receiverPool)
                // Killed at any moment, the next one ends well.
                let id = try hosts.senderPool.snapshot(first, of: "data").id
                for _ in 0..<10 {
                    let pid = try hosts.receiver.start("volume", "receive", "data", file)
                    try await Task.sleep(for: .milliseconds(Int.random(in: 0...400)))
                    kill(pid, SIGKILL)
                    waitpid(pid, nil, 0)
                    for volume in try hosts.receiverPool.allVolumes() {
                        #expect(try TreeDigest(of: hosts.receiverPool.data(ofVolume: volume.name)).id == id)
                    }
                    #expect(try await hosts.receiver.dish("volume", "receive", "data", file).code == 0)
                    #expect(try Files.list("\(hosts.receiverPool.path)/staging") == [])
                    #expect(try await hosts.receiver.dish("volume", "rm", "data").code == 0)
                    try requireNoneLeft(hosts.receiverPool)
                }
            }
        }

        @Test func aVolumeTakesNoMoreThanItsSize() async throws {
            try await withHosts { hosts in
                let path = try await fill(hosts.sender, "data", size: "64M")
                let large = try await Command("/bin/dd", ["if=/dev/urandom", "of=\(path)/large", "bs=1M", "count=100"]).run()
                #expect(!large.status.isSuccess && large.errorText.contains("quota exceeded"), "\(large.errorText)")
                unlink("\(path)/large")
                let file = try Scratch.make("streams") + "/stream"
                #expect(try await hosts.sender.dish("volume", "send", "data", "-o", file).code == 0)
                let small = try await hosts.receiver.dish("volume", "receive", "data", file, "--size", "4M")
                #expect(small.code == 1 && small.errors.contains("doesn't fit"), "\(small)")
                try requireNoneLeft(hosts.receiverPool)
                #expect(try await hosts.receiver.dish("volume", "receive", "data", file).code == 0)
                #expect(try await show(hosts.receiver, "data").size == 64 << 20)
                let listed = try await hosts.receiver.dish("volume", "ls")
                #expect(listed.output.contains("64 MiB"), "\(listed)")
                // The same again is fine, another size is not.
                #expect(try await hosts.sender.dish("volume", "create", "data", "--size", "64M").code == 0)
                #expect(try await hosts.sender.dish("volume", "create", "data", "--size", "65M").code == 1)
                for name in ["../data", ".data", "a/b", "", "data@x@y"] {
                    #expect(try await hosts.sender.dish("volume", "show", name).code == 1, "\(name)")
                }
            }
        }

        @Test func aFullPoolIsAnErrorThatSaysSo() async throws {
            try await withHosts { hosts in
                let path = try await fill(hosts.sender, "data")
                try Files.replace("\(path)/more", with: noise(96 << 20), durable: false)
                let file = try Scratch.make("streams") + "/stream"
                #expect(try await hosts.sender.dish("volume", "send", "data", "-o", file).code == 0)
                let filler = "\(hosts.receiverPool.path)/filler"
                let free = try hosts.receiverPool.filesystem().space().available
                #expect(try await Command("/usr/bin/fallocate", ["-l", "\(free - (64 << 20))", filler]).run().status.isSuccess)
                let received = try await hosts.receiver.dish("volume", "receive", "data", file)
                #expect(received.code == 1 && received.errors.contains("is full"), "\(received)")
                try requireNoneLeft(hosts.receiverPool)
                unlink(filler)
                try hosts.receiverPool.filesystem().sync()
                #expect(try await hosts.receiver.dish("volume", "receive", "data", file).code == 0)
            }
        }

        @Test func aSnapshotTravelsThroughARegistryAndADirectory() async throws {
            try await withHosts { hosts in
                let path = try await fill(hosts.sender, "data")
                let folder = try Scratch.make("layout")
                for place in ["\(hosts.registry.host)/backup/data", "oci:\(folder)"] {
                    let name = place.hasPrefix("oci:") ? "layout" : "remote"
                    for number in 1...2 {
                        try Files.replace("\(path)/\(name)\(number)", with: "x".utf8, durable: false)
                        let snapshot = "\(name)\(number)"
                        #expect(try await hosts.sender.dish("volume", "snapshot", "data", snapshot).code == 0)
                        let since = number == 1 ? [] : ["--since", "\(name)1"]
                        let sent = try await hosts.sender.dish(
                            arguments: ["volume", "send", "data@\(snapshot)", "--to", "\(place):\(number)"] + since)
                        try #require(sent.code == 0 && sent.output.hasPrefix("\(place)@sha256:"), "\(sent)")
                        let received = try await hosts.receiver.dish("volume", "receive", name, "--from", "\(place):\(number)")
                        let id = try hosts.senderPool.snapshot(snapshot, of: "data").id
                        #expect(received.code == 0 && received.text == "\(name)@\(snapshot) \(id)", "\(received)")
                        #expect(try TreeDigest(of: hosts.receiverPool.data(ofVolume: name)).id == id)
                        #expect(try Files.list("\(hosts.receiverPool.cache)/blobs") == [])
                    }
                }
                let none = try await hosts.receiver.dish(
                    "volume", "receive", "x", "--from", "\(hosts.registry.host)/backup/data:none")
                #expect(none.code == 1 && none.errors.contains("there is no image"), "\(none)")
            }
        }

        @Test func tasksHaveVolumesOneAtATimeAndKeepTheirOwners() async throws {
            try await withHosts { hosts in
                let host = hosts.sender
                try await buildShell(host)
                #expect(try await host.dish("volume", "create", "data", "--size", "100M").code == 0)
                let path = try await show(host, "data").path
                try await host.withAgent { _ in
                    let first = try await host.dish(
                        "run", "--name", "writer", "--network", "none", "--volume", "data:/srv/data", "//tool:shell", "--",
                        "/bin/sh", "-c", "echo x > /srv/data/root; echo y > /srv/data/user; chown 1000:1000 /srv/data/user")
                    #expect(first.code == 0, "\(first)")
                    var status = stat()
                    #expect(stat("\(path)/root", &status) == 0 && status.st_uid == 0)
                    #expect(stat("\(path)/user", &status) == 0 && status.st_uid == 1000 && status.st_gid == 1000)
                    #expect(try await show(host, "data").users == ["writer"])
                    let second = try await host.dish(
                        "run", "--rm", "--network", "none", "--volume", "data:/data:ro", "//tool:shell", "--", "/bin/true")
                    #expect(second.code == 1 && second.errors.contains("in use by the task 'writer'"), "\(second)")
                    let removed = try await host.dish("volume", "rm", "data")
                    #expect(removed.code == 1 && removed.errors.contains("in use by writer"), "\(removed)")
                    #expect(try await host.dish("rm", "writer").code == 0)
                    for name in ["one", "two"] {
                        let reader = try await host.dish(
                            "run", "--name", name, "--network", "none", "--volume", "data:/data:ro", "//tool:shell", "--",
                            "/bin/sh", "-c", "stat -c %u:%g /data/root /data/user; echo z > /data/z || cat /data/user")
                        #expect(reader.code == 0 && reader.output == "0:0\n1000:1000\ny\n", "\(reader)")
                    }
                    let writer = try await host.dish(
                        "run", "--rm", "--network", "none", "--volume", "data:/data", "//tool:shell", "--", "/bin/true")
                    #expect(writer.code == 1 && writer.errors.contains("in use by"), "\(writer)")
                    for wrong in ["data", "data:relative", "data:/", "data:/a/../b", "none:/x", "../data:/x", "data:/x:rx"] {
                        let run = try await host.dish("run", "--rm", "--volume", wrong, "//tool:shell", "--", "/bin/true")
                        #expect(run.code == (wrong == "none:/x" ? 1 : 2), "\(wrong): \(run)")
                    }
                    // What a task has is not changed under it.
                    #expect(try await host.dish("volume", "snapshot", "data", "one").code == 0)
                    for name in ["one", "two"] { #expect(try await host.dish("rm", name).code == 0) }
                }
                #expect(try await host.dish("volume", "rm", "data@one").code == 0)
                #expect(try await host.dish("volume", "rm", "--force", "data", "data").code == 0)
                #expect(try hosts.senderPool.allVolumes().isEmpty)
            }
        }
    }

    /// Builds `//tool:shell`: busybox and nothing else.
    static func buildShell(_ host: TestHost) async throws {
        let workspace = try TestWorkspace()
        try Files.makeDirectories("\(workspace.path)/tool")
        let copied = try await Command("/bin/cp", ["/bin/busybox", "\(workspace.path)/tool/busybox"]).run()
        guard copied.status.isSuccess else { throw FixtureError("busybox is missing: \(copied.errorText)") }
        let names = ["sh", "cat", "id", "ls", "true", "stat", "chown", "sleep", "env", "pwd", "grep"]
        try workspace.write(
            "tool/IMAGES.yaml",
            """
            images:
              - name: shell
                base: scratch
                files:
                  - {path: /bin/busybox, source: busybox, mode: "755"}
                  - {path: /etc/passwd, text: "root:x:0:0::/root:/bin/sh\\nkeeper:x:1000:1000::/srv:/bin/sh\\n"}
                  - {path: /etc/group, text: "root:x:0:\\nkeeper:x:1000:\\nextra:x:2000:keeper\\n"}
                directories: [{path: /proc}, {path: /dev}, {path: /sys}, {path: /run}, {path: /root}, {path: /srv}, {path: /tmp, mode: "1777"}]
                symlinks: [\(names.map { "{path: /bin/\($0), target: busybox}" }.joined(separator: ", "))]
            """)
        let built = try await host.dish("image", "build", "//tool:shell", in: workspace.path)
        guard built.code == 0 else { throw FixtureError("build: \(built)") }
    }
}
