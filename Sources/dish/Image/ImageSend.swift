import ArgumentParser
import Glibc
import Layers
import Linux
import SendStream

struct ImageSend: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Write an image to standard output, for 'dish image receive'.",
        discussion: """
            One Btrfs send stream for each layer of the image; 'btrfs receive' takes it too. The same image gives the same bytes
            on any pool. With --parent, only what is not in that image, as differences where it can be.

            Examples:
              dish image send //web:app > web.stream
              dish image send //web:app --parent 1a2b3c4d | ssh host dish image receive -
            """)

    @Argument(help: "A label, a name or a layer id.", completion: .image)
    var image: String
    @Option(help: "An image that the receiver has.")
    var parent: String?
    @Flag(help: "Read and compare even what both images share on disk; the output is the same, or an error.")
    var readEverything = false
    @OptionGroup var pool: PoolOptions

    func validate() throws {
        guard isatty(STDOUT_FILENO) == 0 else {
            throw ValidationError("An image is no text: redirect standard output to a file or a pipe.")
        }
    }

    func run() throws {
        try requireRoot(to: "send images")
        let pool = try pool.openToRead()
        let layer = try pool.resolve(image)
        let receiver = try parent.map { try pool.resolve($0).id }
        var sink = FileSink(STDOUT_FILENO, "standard output")
        try pool.writeImage(
            layer.id, called: image, toReceiverWith: receiver, to: &sink, readsEverything: readEverything)
    }
}
