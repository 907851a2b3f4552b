import Glibc
import Linux

/// What tests need of the machine. In CI a missing thing is a failure, so there the tests run in any case.
public enum Requirements {
    public static let hasRoot = geteuid() == 0 || isCI
    public static let hasUserModeLinux = Executable.find("linux.uml") != nil || isCI
    static let isCI = getenv("CI") != nil
}
