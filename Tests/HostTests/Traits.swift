import Fixtures
import Testing

extension Trait where Self == ConditionTrait {
    static var requiresRoot: Self { .enabled(if: Requirements.hasRoot, "NOT RUN: needs root; run: sudo make test") }
}
