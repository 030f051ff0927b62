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
      try CommandReport.reports(in: #"{"progress": 1, "heartbeat": {"a": 2}}"#.utf8)
        == [.progress(JobProgress(1))])
    #expect(try CommandReport.reports(in: #"{"heartbeat": 2}"#.utf8) == [])
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
    (#"{"skip": "a", "result": 2}"#, "one of result and skip"),
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
