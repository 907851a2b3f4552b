import Glibc
public import Testing

extension Trait where Self == ConditionTrait {
    /// For tests that need root. Elsewhere than in CI, where they then fail, they don't run as another user.
    public static var requiresRoot: Self {
        .enabled(if: geteuid() == 0 || getenv("CI") != nil, "NOT RUN: needs root; run: sudo make test")
    }
}
