import JobConfig
import Testing

@Suite("Durations as text")
struct DurationTextTests {
  @Test(
    "are numbers with units, from large to small",
    arguments: [
      ("60s", Duration.seconds(60)), ("500ms", .milliseconds(500)), ("1m30s", .seconds(90)),
      ("2h", .seconds(7200)), ("1d2h3m4s5ms", .milliseconds(93_784_005)), ("1.5h", .seconds(5400)),
      ("0s", .zero), ("0.001s", .milliseconds(1)), ("36500d", .seconds(3_153_600_000)),
    ])
  func valid(text: String, duration: Duration) throws {
    #expect(try DurationText.parse(text) == duration)
  }

  @Test(
    "say what is wrong otherwise",
    arguments: [
      ("", "an empty text is no duration"), ("60", "60 has no unit; write 60s for seconds"),
      ("1m30", "'1m30' is no duration"), ("-5s", "'-5s' is no duration"),
      ("5 s", "'5 s' is no duration"), ("5y", "'y' is no unit of time"),
      ("5S", "'S' is no unit of time"), ("s", "'s' is no duration"),
      ("1.2.3s", "'1.2.3s' is no duration"), ("1.s", "'1.s' is no duration"),
      ("30s1m", "the units of '30s1m' do not go from large to small"),
      ("1s1s", "the units of '1s1s' do not go from large to small"),
      ("36501d", "'36501d' is longer than 100 years"), ("1e3s", "'e' is no unit of time"),
      ("٣s", "'٣s' is no duration"),
      ("99999999999999999999999999h", "'99999999999999999999999999h' is longer than 100 years"),
    ])
  func invalid(text: String, problem: String) {
    let expected = "\(problem); a duration is written as in 500ms, 60s, 1m30s, 2h or 1d"
    #expect {
      try DurationText.parse(text)
    } throws: { error in
      (error as? DurationTextError)?.description == expected
    }
  }

  @Test(
    "are spelled so that they can be read back",
    arguments: [0, 1, 999, 1000, 1001, 61_000, 90_000, 3_600_000, 93_784_005, 3_153_600_000_000])
  func roundTrip(milliseconds: Int64) throws {
    let duration = Duration.milliseconds(milliseconds)
    #expect(try DurationText.parse(DurationText.text(duration)) == duration)
  }

  @Test("are spelled with the largest units")
  func spelling() {
    #expect(DurationText.text(.seconds(90)) == "1m30s")
    #expect(DurationText.text(.milliseconds(1500)) == "1s500ms")
    #expect(DurationText.text(.zero) == "0s")
  }
}
