import ArgumentParser
import Manifest

struct ImageSchema: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Print the language of IMAGES.yaml as a JSON Schema.",
        discussion: """
            For editors that complete and check YAML files. With --reference, the same as tables in Markdown.

            Example: dish image schema > images.schema.json
            """)

    @Flag(help: "Print tables in Markdown instead.")
    var reference = false

    func run() {
        print(reference ? Reference.text : JSONSchema.text, to: .output)
    }
}
