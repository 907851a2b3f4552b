import AgentAPI
import Layers
import OCI
import Registry

/// Why an attempt to fetch an image failed, and whether another may do better.
struct PullFailure: Equatable {
    let reason: String
    let isTransient: Bool
    /// What those get who wait for the image.
    let code: AgentError.Code

    private init(_ reason: String, isTransient: Bool, _ code: AgentError.Code) {
        self.reason = reason
        self.isTransient = isTransient
        self.code = code
    }

    static func full(_ reason: String) -> PullFailure { PullFailure(reason, isTransient: true, .insufficient) }

    init(_ error: any Error) {
        let isTransient: Bool
        var code = AgentError.Code.conflict
        switch error {
        case let error as RegistryError:
            switch error.code {
            case .unreachable, .refused, .damaged: isTransient = true
            case .notFound: (isTransient, code) = (false, .notFound)
            case .unauthorized, .invalid, .untrusted, .program: (isTransient, code) = (false, .invalid)
            }
        case let error as PoolError where error.code == .full: (isTransient, code) = (true, .insufficient)
        // An image for other machines, or one that no attempt makes better.
        case is OCIError: (isTransient, code) = (false, .invalid)
        default: isTransient = true
        }
        self.init("\(error)", isTransient: isTransient, code)
    }
}
