import Foundation
public import Testing

/// Which of the tests are run: all of them, or those that are quick enough for daily work.
enum TestTier {
  /// Set by `compose/test --fast`.
  static let isFast = ProcessInfo.processInfo.environment["WARREN_TEST_FAST"] != nil
  fileprivate static let needsBroker: Comment = "it needs a broker, and WARREN_TEST_FAST is set"

  /// Has a test without the trait fail in either tier, so that the one that runs everything finds it.
  ///
  /// - Throws: ``BrokerFailure`` if the test that runs, or its suite, has not the trait.
  static func checkBrokerIsNeeded() throws {
    guard let test = Test.current else { return }
    let isMarked = test.traits.contains { trait in
      (trait as? ConditionTrait)?.comments.contains(needsBroker) == true
    }
    guard isMarked else {
      throw BrokerFailure("a test that starts a broker has to have the trait .needsBroker")
    }
  }
}

extension Trait where Self == ConditionTrait {
  /// Marks a suite or a test that runs a broker; `compose/test --fast` skips it, and counts it as skipped.
  public static var needsBroker: Self {
    .disabled(if: TestTier.isFast, TestTier.needsBroker)
  }
}
