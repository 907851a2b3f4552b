import Btrfs
import CLinux
import Fixtures
import Glibc
import Layers
import Linux
import Testing

/// `dish image send` and `dish image receive`.
extension Streams {
    @Suite struct ReceiveCommandTests {
        private static let kills = getenv("DISH_KILLS").flatMap { Int(String(cString: $0)) } ?? 8

        /// A pool with an image of two layers, the second of two versions, and the image's file.
        private func prepare(_ pool: Pool, bytes: Int) throws -> [LayerID] {
            let base = try pool.makeLayer(on: nil, label: "//test:base") { root in
                var random = SeededGenerator(1)
                let piece = (0..<(1 << 20) / 8).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
                for number in 0..<bytes >> 20 { try Files.replace("\(root)/\(number)", with: piece, durable: false) }
                for number in 0..<500 {
                    try Files.makeDirectories("\(root)/many/\(number)")
                    try Files.replace("\(root)/many/\(number)/file", with: "\(number)".utf8, durable: false)
                }
            }
            let versions = try (1...2).map { version in
                try pool.makeLayer(on: base, label: "//test:app") { root in
                    try Files.replace("\(root)/version", with: "\(version)".utf8, durable: false)
                }
            }
            try pool.name("//test:base", base)
            try pool.name("//test:app", versions[1])
            return [base] + versions
        }

        private func send(_ host: TestHost, _ pool: Pool, _ arguments: String..., to file: String) throws {
            let result = try Command(
                "/bin/sh",
                ["-c", "exec \"$0\" image send \"$@\" > '\(file)'", Programs.path("dish")] + arguments + ["--pool", pool.path]
            ).runBlocking()
            #expect(result.status.isSuccess, "\(result.errorText)")
        }

        /// Layers of images that were imported have labels for people.
        @Test func anImageHasTheNameThatItWasSentBy() async throws {
            try await Streams.withPools(2) { pools in
                let layer = try pools[0].makeLayer(on: nil, label: "odd:1 settings") { root in
                    try Files.replace("\(root)/file", with: "x".utf8, durable: false)
                }
                try pools[0].name("odd:1", layer)
                let host = try TestHost()
                let folder = try Scratch.make("files")
                try send(host, pools[0], "odd:1", to: "\(folder)/odd")
                let received = try await host.dish("image", "receive", "\(folder)/odd", "--trust-names", "--pool", pools[1].path)
                #expect(received.code == 0 && received.errors == "", "\(received)")
                #expect(try pools[1].resolve("odd:1").id == layer)
                // And back, by its id, where the name still is.
                try send(host, pools[1], layer.hex, to: "\(folder)/back")
                let back = try await host.dish("image", "receive", "\(folder)/back", "--pool", pools[0].path)
                #expect(back.code == 0, "\(back)")
                #expect(try pools[0].resolve("odd:1").id == layer)
            }
        }

        @Test func anImageTravelsWithItsStackItsNamesAndItsHistory() async throws {
            try await Streams.withPools(2) { pools in
                let ids = try prepare(pools[0], bytes: 4 << 20)
                let host = try TestHost()
                let folder = try Scratch.make("files")
                try send(host, pools[0], ids[1].hex, to: "\(folder)/first")
                try send(host, pools[0], "//test:app", "--parent", ids[1].hex, to: "\(folder)/second")
                // The second without the first is refused, and says what is missing.
                let early = try await host.dish("image", "receive", "\(folder)/second", "--pool", pools[1].path)
                #expect(early.code == 1 && early.errors.contains("isn't in the pool"), "\(early)")
                for file in ["first", "second", "second"] {
                    let received = try await host.dish(
                        "image", "receive", "\(folder)/\(file)", "--trust-names", "--force", "--pool",
                        pools[1].path, "--json")
                    #expect(received.code == 0, "\(received)")
                }
                let app = try pools[1].resolve("//test:app")
                #expect(app == (try pools[0].layer(ids[2])))
                #expect(try pools[1].stack(app.id) == pools[0].stack(app.id))
                #expect(try pools[1].resolve("//test:base").id == ids[0])
                #expect(try Files.read("\(folder)/second").count < 10_000)
                #expect(pools[1].stagingEntries == [])
                let garbage = try await host.dish("image", "receive", "/etc/passwd", "--pool", pools[1].path)
                #expect(garbage.code == 1 && garbage.errors.contains("no Btrfs send stream"), "\(garbage)")
            }
        }

        /// Which layer held its packages is of the pool it was built on (docs/send-stream.md): what arrives stands on its own.
        @Test func aLayerMadeFromItsPackagesTravelsWithoutThem() async throws {
            try await Streams.withPools(2) { pools in
                let base = try pools[0].makeLayer(on: nil, label: "//test:base") { root in
                    try Files.replace("\(root)/base", with: "base".utf8, durable: false)
                }
                let packages = try pools[0].makeLayer(on: base, label: "//test:app" + Layer.packagesMark) { root in
                    try Files.replace("\(root)/package", with: [UInt8](repeating: 7, count: 1 << 20), durable: false)
                }
                let app = try pools[0].makeLayer(on: base, packages: packages, label: "//test:app") { root in
                    try Files.replace("\(root)/file", with: "file".utf8, durable: false)
                }
                let host = try TestHost()
                let folder = try Scratch.make("files")
                try send(host, pools[0], app.hex, to: "\(folder)/image")
                let received = try await host.dish("image", "receive", "\(folder)/image", "--pool", pools[1].path)
                #expect(received.code == 0, "\(received)")
                #expect(try Set(pools[1].allLayers().map(\.id)) == [base, app])
                let (sent, layer) = (try #require(try pools[0].layer(app)), try #require(try pools[1].layer(app)))
                #expect(sent.packages == packages && layer.packages == nil)
                #expect(layer.parent == base && layer.created == sent.created && layer.label == sent.label)
                // The same stream on either pool, and all of its data is billed to it.
                #expect(try pools[1].stream(of: app, against: base) == pools[0].stream(of: app, against: base))
                let usage = try #require(try pools[1].usage().layers.first { $0.id == app.hex })
                #expect(usage.own.map { $0 >= 1 << 20 } ?? true, "\(usage)")
                // A second time nothing changes where it was built.
                let again = try await host.dish("image", "receive", "\(folder)/image", "--pool", pools[0].path)
                #expect(again.code == 0, "\(again)")
                #expect(try pools[0].layer(app) == sent)
            }
        }

        @Test func aDumpShowsEachCommandAndWhereAStreamIsDamaged() async throws {
            try await Streams.withPools { pools in
                let ids = try prepare(pools[0], bytes: 1 << 20)
                let host = try TestHost()
                let file = try Scratch.make("files") + "/stream"
                let bytes = try pools[0].stream(of: ids[1], against: ids[0])
                try Files.replace(file, with: bytes, durable: false)
                let text = try await host.dish("stream", "dump", file)
                #expect(text.code == 0 && text.output.contains("mkfile        path=version"), "\(text)")
                let json = try await host.dish("stream", "dump", file, "--json")
                #expect(json.output.hasPrefix("[\n{") && json.output.hasSuffix("}\n]\n"), "\(json)")
                #expect(json.output.contains("\"command\" : \"snapshot\""))
                try Files.replace(file, with: bytes.dropLast(4), durable: false)
                let damaged = try await host.dish("stream", "dump", file)
                #expect(damaged.code == 1 && damaged.errors.contains("cut short"), "\(damaged)")
                #expect(damaged.output.contains("mkfile"))
            }
        }

        @Test func receivingKilledAtRandomMomentsLeavesNothingAndWorksTheNextTime() async throws {
            try await Streams.withPools(2) { pools in
                let ids = try prepare(pools[0], bytes: 48 << 20)
                let host = try TestHost()
                let file = try Scratch.make("files") + "/image"
                try send(host, pools[0], "//test:app", to: file)
                func forget() throws {
                    for id in [ids[2], ids[0]] where try pools[1].layer(id) != nil { try pools[1].remove(id) }
                }
                let start = ContinuousClock.now
                #expect(try await host.dish("image", "receive", file, "--pool", pools[1].path).code == 0)
                let length = ContinuousClock.now - start
                for round in 0..<Self.kills {
                    try forget()
                    let pid = try host.start("image", "receive", file, "--pool", pools[1].path)
                    try await Task.sleep(for: length * Double.random(in: 0...1))
                    kill(pid, SIGKILL)
                    waitpid(pid, nil, 0)
                    // What is visible is whole.
                    for layer in try pools[1].allLayers() {
                        #expect(try TreeDigest(of: pools[1].root(of: layer.id)).id == layer.id, "round \(round)")
                        #expect(try Subvolume.info(pools[1].root(of: layer.id)).isReadOnly)
                    }
                    if round % 5 == 4 {
                        let again = try await host.dish("image", "receive", file, "--trust-names", "--pool", pools[1].path)
                        #expect(again.code == 0, "round \(round): \(again)")
                        #expect(pools[1].stagingEntries == [], "round \(round)")
                        #expect(try pools[1].resolve("//test:app").id == ids[2])
                    }
                }
            }
        }

        @Test func receivingALargeImageNeedsLittleMemory() async throws {
            try await Streams.withPools(2) { pools in
                let ids = try prepare(pools[0], bytes: 400 << 20)
                let host = try TestHost()
                let file = try Scratch.make("files") + "/image"
                try send(host, pools[0], ids[0].hex, to: file)
                let pid = try host.start("image", "receive", file, "--pool", pools[1].path)
                // What wait4 gives would count what this process had before the exec.
                var (status, peak) = (CInt(0), 0)
                while waitpid(pid, &status, WNOHANG) == 0 {
                    if let kib = peakMemory(of: pid) { peak = kib }
                    try await Task.sleep(for: .milliseconds(2))
                }
                #expect(status == 0)
                #expect(peak > 0 && peak < 64 << 10, "\(peak) KiB")
            }
        }

        /// The most that it ever had in memory, KiB; nil when it is gone.
        private func peakMemory(of pid: pid_t) -> Int? {
            guard let status = try? Files.readTextIfPresent("/proc/\(pid)/status") else { return nil }
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            return line.flatMap { $0.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first }.flatMap { Int($0) }
        }
    }
}
