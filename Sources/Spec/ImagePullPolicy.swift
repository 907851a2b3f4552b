/// When an image is fetched from its registry before something runs from it.
public enum ImagePullPolicy: String, Sendable, Codable, CaseIterable {
    /// When the pool hasn't got it.
    case missing
    /// Each time it is asked for: a tag may mean something else by now.
    case always
    /// Never; without it nothing runs.
    case never
}
