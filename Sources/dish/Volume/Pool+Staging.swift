import Layers

extension Pool {
    /// Removes what killed processes left in staging, and warns of what stays.
    func emptyStaging() throws {
        try cleanStaging { print(printable("dish: \($0)"), to: .errors) }
    }
}
