public import Spec

// Values as tests write them.
extension PublishedPort: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    public init(stringLiteral text: String) { try! self.init(parsing: text) }
}

extension VolumeMount: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { try! self.init(parsing: text) }
}

extension SecretUse: ExpressibleByStringLiteral {
    public init(stringLiteral text: String) { try! self.init(parsing: text) }
}
