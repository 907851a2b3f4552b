import Fixtures
import Testing

extension Trait where Self == ConditionTrait {
    static var requiresRoot: Self { .enabled(if: Requirements.hasRoot, "NOT RUN: needs root; run: sudo make test") }
}

/// Attacks take all that there is of what they attack: they run one after the other.
@Suite(.serialized, .requiresRoot)
enum Attacks {}
