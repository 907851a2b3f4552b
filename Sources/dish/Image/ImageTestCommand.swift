import ArgumentParser
import Builder
import Glibc
import Layers
import Linux
import Manifest
import Runtime
import Spec

struct ImageTestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Run the tests of images.",
        discussion: """
            The images are built first, as 'dish image build' does. Each test runs in a throw-away copy, in the sandbox of
            the build's steps or booted, without network. What passed before is not run again until the image or the
            test changes. The exit code is 1 when a test failed.

            Examples:
              dish image test
              dish image test //web:app --filter boots
              dish image test --rerun -j 4 --junit results.xml
            """)

    @Argument(help: "Labels: //folder:name, :name, or //... for all (default: all).", completion: .label)
    var labels: [String] = []
    @OptionGroup var workspace: WorkspaceOptions
    @OptionGroup var labelOptions: LabelOptions
    @OptionGroup var pool: PoolOptions
    @OptionGroup var json: JSONOption

    @Option(name: .shortAndLong, help: "How many tests run, and images are built, at the same time (default: two a processor).")
    var jobs: Int?
    @Option(help: "Only tests whose image's label and name, with a blank between, contain this text.")
    var filter: String?
    @Flag(help: "Run tests that passed before too.")
    var rerun = false
    @Option(help: "Write the results into this file, as JUnit XML.")
    var junit: String?
    @Option(help: "Take the packages from this folder, where 'dish image plan --vendor' kept them; implies --locked.")
    var vendor: String?
    @Flag(help: "Refuse instead of planning what the lock file doesn't cover.")
    var locked = false
    @Option(help: "The most memory that all of one test may use together, like 4G (default: three quarters of the host's).")
    var memory: String?
    @Flag(name: .shortAndLong, help: "Print what the steps and the tests print.")
    var verbose = false

    private var limits: StepLimits {
        var limits = StepLimits()
        if let bytes = memory.flatMap({ ByteCount($0)?.bytes }) { limits.memory = bytes }
        return limits
    }

    func validate() throws {
        if let memory, (ByteCount(memory)?.bytes ?? 0) < 1 << 20 {
            throw ValidationError("--memory '\(memory)' is not a size of at least 1M, like 512M or 4G.")
        }
        if let jobs, jobs < 1 { throw ValidationError("--jobs must be at least 1.") }
    }

    func run() async throws {
        try requireRoot(to: "test images")
        let pool = try pool.openHolding()
        let results = try await interruptible { try await test(in: pool) }
        if let junit {
            try OutputFile.write(Files.absolute(junit)) { number in
                try Files.write(JUnitReport.text(results).utf8, to: number, junit)
            }
        }
        if json.json { try printJSON(results.map { Row($0) }) }
        let failed = results.count { !$0.hasPassed }
        let recorded = results.count(where: \.isRecorded)
        print(
            "\(results.count) tests: \(results.count - failed) passed\(recorded == 0 ? "" : " (\(recorded) of them before)"), \(failed) failed",
            to: .errors)
        if failed > 0 { throw ExitCode(1) }
    }

    private func test(in pool: Pool) async throws -> [TestResult] {
        let workspace = workspace.open()
        let labels = try self.workspace.labels(self.labels.isEmpty ? ["//..."] : self.labels, in: workspace)
        let chosen = try chosenTests(of: labels, in: workspace)
        let layers = try await build(chosen.map(\.target.label), in: workspace, pool)
        let tests = chosen.flatMap { target, tests in
            let parent = target.parent.flatMap { layers[$0]?.id }
            return layers[target.label].map { layer in
                tests.map { TestCase(label: target.label, layer: layer, parent: parent, test: $0) }
            } ?? []
        }
        let progress = TestProgress(tests: tests.count, verbose: verbose)
        defer { progress.end() }
        let tester = ImageTester(pool: pool, runtime: Nspawn(), jobs: parallelism, reruns: rerun, limits: limits) {
            progress.show($0)
        }
        do {
            return try await tester.run(tests)
        } catch is CancellationError {
            progress.end()
            print("dish: the tests were interrupted; nothing of them is left", to: .errors)
            throw ExitCode(1)
        }
    }

    /// The images that have tests to run, with those.
    private func chosenTests(of labels: [Label], in workspace: Workspace) throws -> [(target: ImageTarget, tests: [ImageTest])] {
        var chosen: [(target: ImageTarget, tests: [ImageTest])] = []
        for label in labels {
            // Its own is the last of what it needs.
            guard let target = try workspace.targets([label]).last, !chosen.contains(where: { $0.target.label == target.label })
            else {
                continue
            }
            let tests = target.tests.filter { filter.map("\(target.label) \($0.name.value)".contains) ?? true }
            if !tests.isEmpty { chosen.append((target, tests)) }
        }
        if chosen.isEmpty {
            let which = filter.map { " that contains '\($0)'" } ?? ""
            throw BuildError(
                .unknownTarget,
                "there is no test\(which) in \(labels.map(\.description).joined(separator: ", ")); write some under 'tests'")
        }
        return chosen
    }

    private var parallelism: Int { jobs ?? 2 * sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

    private func build(_ labels: [Label], in workspace: Workspace, _ pool: Pool) async throws -> [Label: Layer] {
        let targets = try workspace.targets(labels)
        let progress = BuildProgress(verbose: verbose)
        if let vendor {
            try await Vendoring(vendor, workspace: workspace, pool: pool).supply(targets)
        } else if !locked {
            let planner = Planner(workspace: workspace, pool: pool) { progress.show($0) }
            _ = try await planner.plan(targets, refresh: false)
        }
        var options = BuildOptions()
        options.jobs = parallelism
        options.takesLabels = labelOptions.takesLabels
        let builder = Builder(workspace: workspace, pool: pool, runtime: Nspawn(), options: options) { progress.show($0) }
        progress.begin(targets: targets.count)
        defer { progress.end() }
        do {
            let result = try await builder.build(targets, lock: LockFile.read(workspace))
            return Dictionary(uniqueKeysWithValues: result.targets.map { ($0.label, $0.layer) })
        } catch {
            progress.end()
            if error is CancellationError { print("dish: the build was interrupted; nothing half-done is left", to: .errors) }
            // The event has shown which image it was and why.
            throw progress.hasShownFailure || error is CancellationError ? ExitCode(1) : error
        }
    }

    private struct Row: Encodable {
        struct Failure: Encodable {
            /// `file:line:column`.
            let place: String
            let expected: String
            let seen: String
        }

        let label: String
        let test: String
        let passed: Bool
        /// Whether it passed before and was not run again.
        let recorded: Bool
        let seconds: Double
        let failures: [Failure]
        let output: String

        init(_ result: TestResult) {
            label = result.test.label.description
            test = result.test.test.name.value
            passed = result.hasPassed
            recorded = result.isRecorded
            seconds = result.seconds
            failures = result.failures.map { Failure(place: $0.place.description, expected: $0.expected, seen: $0.seen) }
            output = result.output
        }
    }
}
