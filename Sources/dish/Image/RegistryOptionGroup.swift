import ArgumentParser
import Registry

/// How registries are reached.
struct RegistryOptionGroup: ParsableArguments {
    @Flag(help: "Speak HTTP without TLS.")
    var plainHttp = false
    @Option(help: "A file of certificates to trust instead of the system's.")
    var caFile: String?
    @Option(help: "Seconds without data after which an attempt is given up.")
    var stallTimeout = 30
    @Option(help: "How often something is tried in all.")
    var attempts = 5

    func validate() throws {
        if stallTimeout < 1 { throw ValidationError("--stall-timeout must be at least 1 second.") }
        if attempts < 1 { throw ValidationError("--attempts must be at least 1.") }
    }

    var options: RegistryOptions {
        var options = RegistryOptions()
        options.isPlain = plainHttp
        options.authorities = caFile
        options.stallTimeout = stallTimeout
        options.attempts = attempts
        return options
    }
}
