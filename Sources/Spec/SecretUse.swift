/// A secret of the host and the name that a task knows it by: `NAME`, or `CREDENTIAL=NAME`.
public struct SecretUse: Written {
    public let credential: String
    public let secret: String

    public static let form = TextForm("a secret's name", pattern: "^[A-Za-z0-9._-]+(=[A-Za-z0-9._-]+)?$")

    public init(parsing text: String) throws(FieldFault) {
        let parts = text.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), parts.allSatisfy(Names.isSecret) else {
            throw FieldFault("", "'\(text)' names no secret; write NAME or CREDENTIAL=NAME, of letters, digits, '.', '_' and '-'")
        }
        (credential, secret) = (parts[0], parts[parts.count - 1])
    }

    public var description: String { credential == secret ? secret : "\(credential)=\(secret)" }
}
