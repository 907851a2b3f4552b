import Glibc

/// What tests need of the machine. In CI a missing thing is a failure, so there the tests run in any case.
public enum Requirements {
    public static let hasRoot = geteuid() == 0 || isCI
    static let isCI = getenv("CI") != nil
}
