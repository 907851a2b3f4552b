import Fixtures
import Testing

extension Trait where Self == ConditionTrait {
    static var requiresRoot: Self { .enabled(if: Requirements.hasRoot, "NOT RUN: needs root; run: sudo make test") }
    static var requiresUserModeLinux: Self {
        .enabled(
            if: Requirements.hasUserModeLinux,
            "NOT RUN: needs user-mode-linux; run: sudo make test (it installs it), or: apt-get install user-mode-linux")
    }
}
