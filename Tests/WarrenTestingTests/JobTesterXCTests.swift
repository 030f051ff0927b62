import WarrenTesting
import XCTest

/// The same in the older framework: the tester knows neither.
final class JobTesterXCTests: XCTestCase {
  func testAJobCompletes() async throws {
    let tester = JobTester()
    addJobs(to: tester, clock: tester.clock)
    let run = try await tester.run(
      CountWords(text: "one two"), faults: .killWorker(at: .progress(1)))
    XCTAssertEqual(run.status, .completed)
    XCTAssertEqual(run.result?.total, 2)
    XCTAssertEqual(run.attempts, 2)
    XCTAssertEqual(run.job.progress, 100)
  }

  func testWhatIsRefusedIsAnError() async throws {
    let tester = JobTester()
    do {
      _ = try await tester.run(JobSubmission(type: .named("a:b")))
      XCTFail("it was taken")
    } catch JobTesterError.noHandler(let type, _) {
      XCTAssertEqual(type, .named("a:b"))
    }
  }
}
