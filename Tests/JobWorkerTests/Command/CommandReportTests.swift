import Jobs
import Testing

@testable import JobWorker

@Suite struct CommandReportTests {
  @Test func reportsAreRead() throws {
    func read(_ line: String) throws -> CommandReport {
      let reports = try CommandReport.reports(in: line.utf8)
      return try #require(reports.count == 1 ? reports[0] : nil)
    }
    #expect(
      try read(#"{"progress": 42, "details": "half"}"#) == .progress(JobProgress(42, "half")))
    #expect(try read(#"{"progress": 0.5}"#) == .progress(JobProgress(0.5)))
    #expect(try read(#"{"progress": 1, "details": null}"#) == .progress(JobProgress(1)))
    #expect(try read(#"{"progress": 250}"#) == .progress(JobProgress(100)))
    #expect(try read(#"{"progress": -0.5}"#) == .progress(JobProgress(0)))
    #expect(try read(#" {"result": {"sum": [7]}} "#) == .result(["sum": [7]]))
    #expect(try read(#"{"result": null}"#) == .result(.null))
    #expect(try read(#"{"skip": "nothing new"}"#) == .skip("nothing new"))
    #expect(try read(#"{"snapshot": 3}"#) == .snapshot(3))
    #expect(try read(#"{"retry_after": 30}"#) == .retryAfter(CommandRetry(delay: .seconds(30))))
    #expect(
      try read(#"{"retry_after": 0.5, "counted": false}"#)
        == .retryAfter(CommandRetry(delay: .milliseconds(500), counted: false)))
    #expect(try read(#"{"heartbeat": true}"#) == .heartbeat)
    #expect(try read(#"{"snooze": 30}"#) == .snooze(.seconds(30), nil))
    #expect(try read(#"{"snooze": 0, "reason": "early"}"#) == .snooze(.zero, "early"))
  }

  @Test func oneLineMayReportSeveralThingsAndTheEndIsTheLast() throws {
    let line = #"{"result": 7, "snapshot": [1], "details": "done", "progress": 100}"#
    #expect(
      try CommandReport.reports(in: line.utf8) == [
        .progress(JobProgress(100, "done")), .snapshot([1]), .result(7),
      ])
  }

  @Test func membersThatAreUnknownArePassedOver() throws {
    #expect(
      try CommandReport.reports(in: #"{"progress": 1, "what-is-not-known": {"a": 2}}"#.utf8)
        == [.progress(JobProgress(1))])
    #expect(try CommandReport.reports(in: #"{"what-is-not-known": 2}"#.utf8) == [])
    #expect(try CommandReport.reports(in: "{}".utf8) == [])
  }

  @Test(arguments: ["result", "snapshot"])
  func aValueMayBeNestedAHundredLevels(name: String) throws {
    func line(_ levels: Int) -> String {
      #"{"\#(name)": "# + String(repeating: "[", count: levels)
        + String(repeating: "]", count: levels) + "}"
    }
    #expect(try CommandReport.reports(in: line(100).utf8).count == 1)
    #expect(throws: CommandReportError.self) { try CommandReport.reports(in: line(101).utf8) }
  }

  @Test(arguments: [
    ("nonsense", "JSON"), ("{\"progress\": 1", "JSON"), ("42", "integer"), ("[]", "array"),
    (#"{"skip": "a", "result": 2}"#, "one of result, skip and snooze"),
    (#"{"snooze": 1, "result": 2}"#, "one of result, skip and snooze"),
    (#"{"heartbeat": 1}"#, "heartbeat must be true"),
    (#"{"snooze": "1"}"#, "snooze must be a number of seconds"),
    (#"{"snooze": -1}"#, "snooze must be a number of seconds"),
    (#"{"snooze": 1, "reason": 5}"#, "reason must be a string"),
    (#"{"retry_after": 1e300}"#, "retry_after must be a number of seconds"),
    (#"{"retry_after": 1, "counted": 1}"#, "counted must be true or false"),
    (#"{"details": "x"}"#, "beside progress"),
    (#"{"result": 1, "details": "x"}"#, "beside progress"),
    (#"{"progress": "42"}"#, "number"),
    (#"{"progress": 1, "details": 5}"#, "string"), (#"{"skip": true}"#, "string"),
  ])
  func otherLinesAreRefusedWithTheReason(line: String, reason: String) {
    let error = #expect(throws: CommandReportError.self) {
      try CommandReport.reports(in: line.utf8)
    }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }
}
