/// An error that another value of a setting avoids. Its sentence says so without the word of any program: a program adds its own, as
/// `--mount-options` for `mountOptions`.
public protocol SettingFailure: Error {
    /// The names of the settings.
    var settings: [String] { get }
}
