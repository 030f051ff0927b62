import JobConfig
import Jobs
import Testing

@Suite("The section retention")
struct RetentionSettingsTests {
  private static let day = Duration.seconds(86_400)
  private static let text = """
    retention:
      completed: 7d
      failed: 0s
      types:
        mail:send: {completed: 1h, timeout: 0s}
        files:video:hd: {canceled: 2d}
    """

  @Test("gives each final status an age, and types their own")
  func ages() throws {
    let policy = try parsed(Self.text).retention
    let (mail, video) = (try JobTypeID("mail:send"), try JobTypeID("files:video:hd"))
    #expect(policy.age(of: .completed, type: video) == Self.day * 7)
    #expect(policy.age(of: .completed, type: mail) == .seconds(3600))
    #expect(policy.age(of: .failed, type: nil) == nil)
    #expect(policy.age(of: .timedOut, type: mail) == nil)
    #expect(policy.age(of: .timedOut, type: video) == Self.day * 90)
    #expect(policy.age(of: .canceled, type: video) == Self.day * 2)
    #expect(policy.age(of: .skipped, type: mail) == Self.day * 30)
    #expect(try parsed("").retention == RetentionPolicy())
    #expect(try parsed("retention:").retention == RetentionPolicy())
  }

  @Test("says how long dead letters are kept")
  func deadLetters() throws {
    #expect(try parsed("").retention.deadLetterAge == Self.day * 90)
    #expect(try parsed("retention: {dead_letters: 7d}").retention.deadLetterAge == Self.day * 7)
    #expect(
      try parsed("", ["WARREN_RETENTION_DEAD_LETTERS": "0s"]).retention.deadLetterAge == .zero)
    #expect(
      problems("retention: {dead_letters: 1s}") == [
        "w.yaml:1:27: retention.dead_letters: must be at least 1m, or 0s, which keeps for ever"
      ])
  }

  @Test("gives way to the environment")
  func environment() throws {
    let policy = try parsed(
      Self.text,
      [
        "WARREN_RETENTION_COMPLETED": "8d", "WARREN_RETENTION_SKIPPED": "0s",
        "WARREN_RETENTION_TYPES_FILES_VIDEO_HD_CANCELED": "3d",
      ]
    ).retention
    let video = try JobTypeID("files:video:hd")
    #expect(policy.age(of: .completed, type: nil) == Self.day * 8)
    #expect(policy.age(of: .skipped, type: nil) == nil)
    #expect(policy.age(of: .canceled, type: video) == Self.day * 3)
    #expect(
      try parsed("", ["WARREN_RETENTION_TIMEOUT": "5m"]).retention.age(of: .timedOut, type: nil)
        == .seconds(300))
    #expect(
      problems(Self.text, ["WARREN_RETENTION_TYPES_MAIL_SEND_COMPLTED": "1d"]) == [
        "WARREN_RETENTION_TYPES_MAIL_SEND_COMPLTED: there is no such setting; did you mean"
          + " WARREN_RETENTION_TYPES_MAIL_SEND_COMPLETED?"
      ])
  }

  @Test(
    "says what is wrong with it",
    arguments: [
      (
        "retention: 30d", "w.yaml:1:12: retention: must be a map, not '30d'"
      ),
      (
        "retention: {completed: 30}",
        "w.yaml:1:24: retention.completed: 30 has no unit; write 30s for seconds; a duration is"
          + " written as in 500ms, 60s, 1m30s, 2h or 1d"
      ),
      (
        "retention: {completed: 59s}",
        "w.yaml:1:24: retention.completed: must be at least 1m, or 0s, which keeps for ever"
      ),
      (
        "retention: {complete: 1d}",
        "w.yaml:1:13: retention.complete: there is no such key; did you mean completed?"
      ),
      (
        "retention: {running: 1d}",
        "w.yaml:1:13: retention.running: there is no such key; known are skipped, canceled, failed,"
          + " timeout, completed, dead_letters, types"
      ),
      (
        "retention: {types: [a]}", "w.yaml:1:20: retention.types: must be a map, not a list"
      ),
      (
        "retention: {types: {'a:b': 1d}}",
        "w.yaml:1:28: retention.types.a:b: must be a map, not '1d'"
      ),
      (
        "retention: {types: {'a:b': {faild: 1d}}}",
        "w.yaml:1:29: retention.types.a:b.faild: there is no such key; did you mean failed?"
      ),
      (
        "retention: {types: {send: {failed: 1d}}}",
        "w.yaml:1:21: retention.types: 'send' is no job type; a job type is written group:name"
      ),
    ])
  func wrong(text: String, problem: String) {
    #expect(problems(text) == [problem])
  }

  @Test("is warned of a type that looks like one of the file's, misspelt, and of no other")
  func misspeltType() throws {
    let types = """
      groups: {files: {queue: compute}}
      types: [{name: checksum, group: files, command: [a]}]

      """
    let configuration = try parsed(
      types
        + "retention: {types: {files:cheksum: {failed: 1d}, mail:send: {failed: 1d}, files:checksum: {}}}"
    )
    #expect(
      configuration.warnings.map(\.description) == [
        "w.yaml:3:36: retention.types.files:cheksum: no type of this file has this name; did you"
          + " mean files:checksum?"
      ])
  }
}
