import Foundation
public import Testing

/// Which of the tests are run: all of them, or those that are quick enough for daily work.
enum TestTier {
  /// Set by `compose/test --fast`.
  static let isFast = ProcessInfo.processInfo.environment["WARREN_TEST_FAST"] != nil
  fileprivate static let needsBroker: Comment = "it needs a broker, and WARREN_TEST_FAST is set"

  /// A test without the trait would make the quick run slow without anybody's noticing why. It fails in either tier, so that
  /// the one that runs everything finds it.
  ///
  /// - Throws: ``BrokerFailure`` if neither the test that runs nor its suite has the trait.
  static func checkBrokerIsNeeded() throws {
    // What runs beside the tests belongs to none of them.
    let isMarked = Test.current.map { test in
      test.traits.contains { ($0 as? ConditionTrait)?.comments.contains(needsBroker) == true }
    }
    guard !isFast, isMarked ?? true else {
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
