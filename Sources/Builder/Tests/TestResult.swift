public import Layers
public import Manifest

/// A test of an image, and the layer it is asked of.
public struct TestCase: Sendable {
    public let label: Label
    public let layer: Layer
    /// Of the image's parent. The layer itself may have been made on another one first.
    public let parent: LayerID?
    public let test: ImageTest

    public init(label: Label, layer: Layer, parent: LayerID?, test: ImageTest) {
        self.label = label
        self.layer = layer
        self.parent = parent
        self.test = test
    }

    /// The image's label and the test's name.
    public var name: String { "\(label) \(test.name.value)" }
}

/// Something that isn't as a test expects it.
public struct TestFailure: Sendable, Equatable, CustomStringConvertible {
    /// Of the expectation.
    public let place: ManifestError.Place
    /// Words that follow "expected".
    public let expected: String
    /// A clause that follows "but"; further lines show what there was.
    public let seen: String

    public init(_ place: ManifestError.Place, expected: String, seen: String) {
        self.place = place
        self.expected = expected
        self.seen = seen
    }

    public var description: String { "\(place): expected \(expected), but \(seen)" }
}

/// What came of a test.
public struct TestResult: Sendable {
    public let test: TestCase
    /// Empty when it passed.
    public let failures: [TestFailure]
    public let seconds: Double
    /// What its commands and its boot printed, the last 64 KiB.
    public let output: String
    /// Whether it passed earlier, with the same layer and the same definition, and was not run again.
    public let isRecorded: Bool

    public init(_ test: TestCase, failures: [TestFailure], seconds: Double, output: String, isRecorded: Bool = false) {
        self.test = test
        self.failures = failures
        self.seconds = seconds
        self.output = output
        self.isRecorded = isRecorded
    }

    public var hasPassed: Bool { failures.isEmpty }
}

/// What testing tells while it goes on.
public enum TestEvent: Sendable {
    case started(TestCase)
    case output(TestCase, [UInt8])
    case ended(TestResult)
}
