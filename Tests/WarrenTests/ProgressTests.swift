import FakeAPI
import Jobs
import Testing

@testable import WarrenCommand

@Suite("Progress while waiting")
struct ProgressTests {
  static let now = Timestamp(milliseconds: 1_002_000)

  @Test("a bar is as long as the progress")
  func bar() throws {
    var job = try Job.fixture(status: .running, progress: 50, details: "hashing")
    job.eta = Timestamp(milliseconds: 1_005_000)
    #expect(
      ProgressLine.bar(job, now: Self.now, width: 80)
        == "[############------------]   50 %  running  3 s left  hashing")
    #expect(
      ProgressLine.bar(try .fixture(status: .completed, progress: 100), now: Self.now, width: 80)
        == "[########################]  100 %  completed")
  }

  @Test("a job that waits for its time says until when, one that is tried again how often it was")
  func waiting() throws {
    var job = try Job.fixture()
    job.scheduledAt = Timestamp(milliseconds: 1_062_000)
    job.retries = 2
    #expect(
      ProgressLine.bar(job, now: Self.now, width: 80)
        == "[------------------------]    0 %  waiting (retry 2)  due in 1 min")
  }

  @Test("the line never reaches the last column", arguments: [1, 2, 10, 40])
  func width(width: Int) throws {
    let job = try Job.fixture(
      status: .running, progress: 5, details: String(repeating: "x", count: 99))
    #expect(ProgressLine.bar(job, now: Self.now, width: width).count == max(1, width - 1))
  }

  @Test(
    "progress out of range is taken to the nearest",
    arguments: [(-5.0, 0), (1e300, 100), (99.9, 99)])
  func range(progress: Double, percent: Int) throws {
    #expect(ProgressLine.percent(try .fixture(progress: progress)) == percent)
  }

  @Test("on a terminal, one line is drawn again and again")
  func terminal() throws {
    var display = ProgressDisplay(.terminal(width: 60))
    let job = try Job.fixture(status: .running, progress: 10)
    #expect(display.finish() == "")
    let first = display.show(job, now: Self.now)
    #expect(first == "\r\(ProgressLine.bar(job, now: Self.now, width: 60))\u{1B}[K")
    #expect(display.show(job, now: Self.now) == "")
    #expect(display.show(try .fixture(status: .completed), now: Self.now).hasPrefix("\r["))
    #expect(display.finish() == "\n")
    #expect(display.finish() == "")
  }

  @Test("elsewhere there is a line for each change, and none for time that passes")
  func plain() throws {
    var display = ProgressDisplay(.plain)
    #expect(display.show(try .fixture(), now: Self.now) == "waiting 0 %\n")
    #expect(display.show(try .fixture(), now: .now) == "")
    #expect(
      display.show(try .fixture(status: .running, progress: 7, details: "a\nb"), now: Self.now)
        == "running 7 %: a b\n")
    #expect(display.finish() == "")
  }
}
