/// How a build goes about its work.
public struct BuildOptions: Sendable {
    /// How many images are built at the same time.
    public var jobs = 1
    /// Whether images that don't need a failed one are built all the same.
    public var keepsGoing = false
    /// The share of unchanged images, from 0 to 1, that are built again and compared.
    public var verifiedShare = 0.0
    public var limits = StepLimits()
    /// True if labels that another workspace's images have are taken from them.
    public var takesLabels = false

    public init() {}
}
