public import Layers
import Linux
import Manifest
public import Runtime

/// Runs tests of images side by side, each in a throw-away copy of its image.
///
/// A copy lies in the pool's staging, under a lock that this process holds, and everything that runs in it ends with this
/// process: what is left of one that was killed is a directory and control groups, which the next run removes.
public struct ImageTester: Sendable {
    let pool: Pool
    let runtime: any Runtime
    let jobs: Int
    let reruns: Bool
    let limits: StepLimits
    let report: @Sendable (TestEvent) -> Void

    /// - Parameters:
    ///   - jobs: how many tests run at the same time.
    ///   - reruns: whether a test runs that passed already, on the same layer and with the same definition.
    ///   - limits: of all that runs in one copy; the time is the tests' own matter.
    public init(
        pool: Pool, runtime: any Runtime, jobs: Int, reruns: Bool, limits: StepLimits = StepLimits(),
        report: @escaping @Sendable (TestEvent) -> Void
    ) {
        self.pool = pool
        self.runtime = runtime
        self.jobs = jobs
        self.reruns = reruns
        self.limits = limits
        self.report = report
    }

    /// Runs all of them, whatever fails.
    ///
    /// - Returns: the results, in the order of the tests.
    /// - Throws: `CancellationError`, with nothing left of any test.
    public func run(_ tests: [TestCase]) async throws -> [TestResult] {
        try await blocking {
            try pool.cleanStaging()
            try TestCgroup.removeLeftovers(in: pool)
        }
        return try await withThrowingTaskGroup(of: (Int, TestResult).self) { group in
            var results = [TestResult?](repeating: nil, count: tests.count)
            var next = 0
            while next < tests.count || !group.isEmpty {
                if next < tests.count, next - results.count(where: { $0 != nil }) < jobs {
                    let (index, test) = (next, tests[next])
                    group.addTask { (index, try await run(test)) }
                    next += 1
                } else if let (index, result) = try await group.next() {
                    results[index] = result
                }
            }
            return results.compactMap { $0 }
        }
    }

    private func run(_ test: TestCase) async throws -> TestResult {
        try Task.checkCancellation()
        let key = try TestRecord.key(of: test)
        if !reruns, let record = try? pool.testRecord(of: test.label.description, test.test.name.value), record.key == key {
            let result = TestResult(test, failures: [], seconds: record.seconds, output: "", isRecorded: true)
            report(.ended(result))
            return result
        }
        report(.started(test))
        let start = ContinuousClock.now
        let run = TestRun(test: test, pool: pool, runtime: runtime, limits: limits) { [report] in report(.output(test, $0)) }
        let failures: [TestFailure]
        do {
            failures = try await run.failures()
        } catch let error where !(error is CancellationError) {
            failures = [TestFailure(test.test.name.place, expected: "the test to run", seen: "\(error)")]
        }
        let result = TestResult(test, failures: failures, seconds: seconds(since: start), output: run.transcript.text)
        try await blocking {
            let (label, name) = (test.label.description, test.test.name.value)
            if result.hasPassed {
                try pool.record(TestRecord(key: key, seconds: result.seconds), of: label, name)
            } else {
                try pool.forgetTest(of: label, name)
            }
        }
        report(.ended(result))
        return result
    }
}
