import Fixtures
import Glibc
import Layers
import Linux
import Registry
import Synchronization
import Testing

extension Registries {
    /// Small images of every kind there is: taken, looked at, run, written again, and taken once more.
    @Suite struct CorpusTests {
        private struct Outcome: Sendable {
            let corpusCase: ImageCorpus.Case
            var layer: LayerID?
            var failure: String?
            var events: [String] = []
        }

        private static let names = "corpus"

        private func importing(_ source: String, _ pool: Pool, name: String?) async throws -> (LayerID, [String]) {
            let events = Mutex<[String]>([])
            var options = RegistryOptions()
            (options.isPlain, options.attempts) = (true, 1)
            let policy = try SignaturePolicy("\(pool.path)/no-policy.json")
            let imported = try await ImageImport(pool, options, policy: policy) { event in
                switch event {
                case .warning(let text): events.withLock { $0.append(text) }
                case .leftOut(let nodes): events.withLock { $0.append("\(nodes)") }
                default: break
                }
            }.run(ImageSource(source), names: name.map { .name($0) } ?? .none)
            return (imported.layer.id, events.withLock { $0 })
        }

        private func outcome(_ one: ImageCorpus.Case, _ pool: Pool) async -> Outcome {
            var outcome = Outcome(corpusCase: one)
            do {
                let (layer, events) = try await importing(one.source, pool, name: "\(Self.names)/\(one.name)")
                (outcome.layer, outcome.events) = (layer, events)
            } catch {
                outcome.failure = "\(error)"
            }
            return outcome
        }

        /// Three at a time: most of the time the file system is waited for.
        private func all<Item: Sendable, Result: Sendable>(
            _ items: [Item], _ body: @escaping @Sendable (Item) async throws -> Result
        ) async throws -> [Result] {
            try await withThrowingTaskGroup(of: (Int, Result).self) { group in
                var results: [Int: Result] = [:]
                for (index, item) in items.enumerated() {
                    if index >= 3, let (done, result) = try await group.next() { results[done] = result }
                    group.addTask { (index, try await body(item)) }
                }
                while let (done, result) = try await group.next() { results[done] = result }
                return items.indices.compactMap { results[$0] }
            }
        }

        private func target(of link: String) -> String {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = buffer.withUnsafeMutableBytes {
                readlink(link, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            }
            return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
        }

        private func check(_ outcome: Outcome, in pool: Pool) throws {
            let (one, layer) = (outcome.corpusCase, outcome.layer)
            if let word = one.fails {
                #expect(outcome.failure?.contains(word) == true, "\(one.name): \(outcome.failure ?? "it was taken")")
                for word in ["DecodingError", "keyNotFound", "SystemError("] {
                    #expect(outcome.failure?.contains(word) != true, "\(one.name): \(outcome.failure ?? "")")
                }
                return
            }
            guard let layer else {
                Issue.record("\(one.name): \(outcome.failure ?? "")")
                return
            }
            if let word = one.warns {
                #expect(outcome.events.contains { $0.contains(word) }, "\(one.name): \(outcome.events)")
            } else {
                #expect(outcome.events.isEmpty, "\(one.name): \(outcome.events)")
            }
            for (path, wanted) in one.tree ?? [:] {
                let place = "\(pool.root(of: layer))/\(path)"
                var status = stat()
                let found: String? =
                    lstat(place, &status) != 0
                    ? nil : status.st_mode & S_IFMT == S_IFLNK ? "@\(target(of: place))" : try Files.readText(place)
                #expect(found == wanted, "\(one.name): \(path.prefix(60))")
            }
        }

        @Test func imagesOfEveryKindAreTakenRunAndWrittenAgain() async throws {
            let corpus = try await ImageCorpus()
            #expect(corpus.cases.count >= 60)
            try await Registries.withHosts { hosts in
                let (pool, other) = (hosts.receiverPool, hosts.senderPool)
                let outcomes = try await all(corpus.cases) { one in await outcome(one, pool) }
                var groups: [String: LayerID] = [:]
                var exported: [(one: ImageCorpus.Case, layer: LayerID)] = []
                for outcome in outcomes {
                    try check(outcome, in: pool)
                    guard outcome.corpusCase.fails == nil, let layer = outcome.layer else { continue }
                    if let same = outcome.corpusCase.same {
                        if let first = groups[same] {
                            #expect(layer == first, "\(outcome.corpusCase.name) isn't what others of '\(same)' are")
                            continue
                        }
                        groups[same] = layer
                    }
                    exported.append((outcome.corpusCase, layer))
                }
                let out = try Scratch.make("corpus-out")
                _ = try await all(exported) { item in
                    let (name, layer) = (item.one.name, item.layer)
                    do {
                        let target = "oci:\(out)/\(name)"
                        try await ImageExport(pool) { _ in }.run(
                            pool.resolve(layer.hex), to: ExportTarget("\(target):again"), name: name)
                        let (again, _) = try await importing("\(target):again", other, name: nil)
                        #expect(again == layer, "\(name) comes back as another image")
                    } catch {
                        Issue.record("\(name): \(error)")
                    }
                }
                #expect(try Files.list("\(pool.path)/staging") == [])
                try await hosts.receiver.withAgent { _ in
                    for one in corpus.cases where one.run != nil {
                        let command = (one.run ?? []).isEmpty ? [] : ["--"] + (one.run ?? [])
                        let image = "\(Self.names)/\(one.name)"
                        let run = try await hosts.receiver.dish(
                            arguments: ["run", "--rm", "--network", "none", image] + command)
                        #expect(Int(run.code) == one.code ?? 0 && run.output == one.prints, "\(one.name): \(run)")
                    }
                }
            }
        }

        /// Pulls that begin together have one cache: what one has used the other may still need.
        @Test func pullsOfOneLayerAtATimeDoNotTakeItFromEachOther() async throws {
            let corpus = try await ImageCorpus()
            let source = try #require(corpus.cases.first { $0.name == "layer-twice" }).source
            try await Registries.withHosts { hosts in
                let pool = hosts.receiverPool
                for round in 0..<3 {
                    let ids = try await all([1, 2, 3, 4, 5, 6]) { _ in try await importing(source, pool, name: nil).0 }
                    #expect(Set(ids).count == 1)
                    if round < 2 {
                        for name in try pool.allNames().keys { try pool.removeName(name) }
                        var rules = CollectionRules()
                        rules.age = -10
                        _ = try pool.collectGarbage(rules, isDry: false)
                        #expect(try pool.allLayers().isEmpty)
                    }
                }
            }
        }
    }
}
