import AgentAPI
import Glibc
import Linux

extension AgentError {
    /// The answer to a request that failed. An error that says that a file system took no more is `.unwritable`.
    ///
    /// - Parameter operation: what failed, where the error doesn't say it: `change the limits of task 'web'`.
    init(of error: any Error, in operation: String? = nil) {
        if let error = error as? AgentError {
            self = error
            return
        }
        let prefix = operation.map { "\($0): " } ?? ""
        guard let code = (error as? SystemError)?.code, [ENOSPC, EDQUOT, EROFS].contains(code) else {
            self.init(.failed, "\(prefix)\(plainReason(error))")
            return
        }
        let advice = code == EROFS ? "make its file system writable" : "make room"
        self.init(.unwritable, "\(prefix)\(error); \(advice), then ask again")
    }
}
