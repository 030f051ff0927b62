import Testing

@testable import JobConfig

@Suite("Suggestions")
struct SpellingTests {
  static let names = ["broker", "prefix", "max_retries", "retry_delay", "timeout"]

  @Test(
    "are made for what is nearly right",
    arguments: [
      ("brokr", "broker"), ("borker", "broker"), ("PREFIX", "prefix"),
      ("max-retries", "max_retries"), ("timout", "timeout"), ("retry_dealy", "retry_delay"),
      ("retries", "max_retries"),
    ])
  func near(word: String, name: String) {
    #expect(Spelling.suggestion(for: word, among: Self.names) == name)
  }

  @Test(
    "are not made otherwise",
    arguments: ["", "x", "colour", "re_", String(repeating: "a", count: 5000)])
  func far(word: String) {
    #expect(Spelling.suggestion(for: word, among: Self.names) == nil)
  }
}
