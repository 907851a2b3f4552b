import ArgumentParser

struct StreamGroup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stream", abstract: "Look into Btrfs send streams.", subcommands: [StreamDump.self])
}
