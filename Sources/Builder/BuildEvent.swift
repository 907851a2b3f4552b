public import Layers
public import Manifest

/// What a build tells while it runs.
public enum BuildEvent: Sendable {
    case updatingIndexes(_ suite: String)
    /// Python packages of an image are resolved, which may take a while.
    case resolvingPython(Label)
    case planned(Label, packages: Int)
    case fetching(Label, done: Int, of: Int)
    case started(Label)
    /// A step of an image begins: "install 12 packages".
    case step(Label, String)
    /// What a step printed.
    case output(Label, [UInt8])
    /// Private keys are in an image.
    case foundKeys(Label, [PrivateKey])
    /// Nothing had to be done.
    case cached(Label, Layer)
    case built(Label, Layer, seconds: Double)
    /// A rebuild of what was built before gave the same.
    case verified(Label, Layer, seconds: Double)
    /// It wasn't tried, because what it needs failed.
    case skipped(Label, because: Label)
    case failed(Label, any Error)
}
