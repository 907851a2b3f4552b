import ArgumentParser
import Layers

struct ImageRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Take names of images away, and remove those that have no other.",
        discussion: """
            An image that has another name stays. One that another image or a task needs can't be removed.

            Examples:
              dish image rm //web:app
              dish image rm 3f9a1c6b
            """)

    @Argument(help: "Labels, names or layer ids.", completion: .image)
    var images: [String]
    @OptionGroup var missing: MissingOption
    @OptionGroup var pool: PoolOptions

    func run() async throws {
        try requireRoot(to: "remove images")
        let pool = try pool.open()
        try await forEach(images) { image in
            try await missing.accepting {
                let others = try pool.removeImage(image)
                print(
                    others.isEmpty
                        ? "removed \(image)"
                        : "took the name \(image) away; the image is still called \(others.joined(separator: ", "))", to: .output)
            }
        }
    }
}
