/// What is wrong with an OCI image, or with an archive of one.
public struct OCIError: Error, CustomStringConvertible, Equatable {
    public enum Code: Sendable {
        /// There is no such image or blob.
        case notFound
        /// Its bytes aren't what their digest or their format says.
        case damaged
        /// It asks for what is refused: a way out of the root, a device, more than fits.
        case hostile
        /// It can't be stored in this format.
        case unsupported
        /// A program of the host is missing or failed.
        case program
    }

    public let code: Code
    public let description: String

    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
