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

  @Test(arguments: [
    ("nonsense", "JSON"), ("{\"progress\": 1", "JSON"), ("42", "integer"), ("[]", "array"),
    ("{}", "none of"), (#"{"skip": "a", "result": 2}"#, "one of result and skip"),
    (#"{"progress": 1, "rest": 2}"#, "'rest' is unknown"),
    (#"{"details": "x"}"#, "beside progress"),
    (#"{"result": 1, "details": "x"}"#, "beside progress"),
    (#"{"progress": "42"}"#, "number"), (#"{"progress": -1}"#, "-1"),
    (#"{"progress": 1, "details": 5}"#, "string"), (#"{"skip": true}"#, "string"),
    (#"{"progres": 1}"#, "'progres' is unknown"),
  ])
  func otherLinesAreRefusedWithTheReason(line: String, reason: String) {
    let error = #expect(throws: CommandReportError.self) {
      try CommandReport.reports(in: line.utf8)
    }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }
}
