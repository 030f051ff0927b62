import Foundation
public import Testing

/// Which of the tests are run: all of them, or those that are quick enough for daily work.
enum TestTier {
  /// Set by `compose/test --fast`.
  static let isFast = ProcessInfo.processInfo.environment["WARREN_TEST_FAST"] != nil
}

extension Trait where Self == ConditionTrait {
  /// Marks a suite or a test that runs a broker; `compose/test --fast` skips it, and counts it as skipped.
  public static var needsBroker: Self {
    .disabled(if: TestTier.isFast, "it needs a broker, and WARREN_TEST_FAST is set")
  }
}
