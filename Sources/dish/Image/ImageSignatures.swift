import ArgumentParser
import OCI
import Registry

struct ImageSign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign", abstract: "Sign an image in a registry with an ECDSA P-256 key.",
        discussion: """
            Examples:
              openssl ecparam -name prime256v1 -genkey -noout -out key.pem
              openssl ec -in key.pem -pubout -out key.pub
              dish image sign registry.example/web/app:2 --key key.pem
            """)

    @Argument(help: "HOST[:PORT]/NAME[:TAG][@DIGEST]")
    var reference: String
    @Option(help: "A file with a private key in PEM.")
    var key: String
    @Option(help: "An OCI layout that has the image.")
    var at: String?
    @OptionGroup var registry: RegistryOptionGroup

    func run() async throws {
        let reference = try Reference(reference)
        let digest =
            if let at {
                try await Signing.sign(reference.description, in: LayoutRepository(at, creating: false), key: key)
            } else {
                try await Signing.sign(
                    reference.digest?.description ?? reference.tag ?? "latest", in: Remote(reference, registry.options), key: key)
            }
        print("\(reference.name)@\(digest)", to: .output)
    }
}

struct ImageVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check that an image in a registry is signed by one of some keys.")

    @Argument(help: "HOST[:PORT]/NAME[:TAG][@DIGEST]")
    var reference: String
    @Option(help: "A file with a public key in PEM; any of several will do.")
    var key: [String]
    @Option(help: "An OCI layout that has the image.")
    var at: String?
    @OptionGroup var registry: RegistryOptionGroup

    func run() async throws {
        let reference = try Reference(reference)
        let digest =
            if let at {
                try await Signing.verify(reference.description, in: LayoutRepository(at, creating: false), keys: key)
            } else {
                try await Signing.verify(
                    reference.digest?.description ?? reference.tag ?? "latest", in: Remote(reference, registry.options), keys: key
                )
            }
        print("\(reference.name)@\(digest)", to: .output)
    }
}
