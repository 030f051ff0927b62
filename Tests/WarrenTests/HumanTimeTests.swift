import Jobs
import Testing

@testable import WarrenCommand

@Suite("Times for people")
struct HumanTimeTests {
  @Test(
    "durations have at most two units",
    arguments: [
      (0, "0 s"), (40, "0 s"), (50, "0.1 s"), (449, "0.4 s"), (4500, "4.5 s"), (5000, "5 s"),
      (9960, "10 s"), (10_000, "10 s"), (12_900, "12 s"), (60_000, "1 min"), (185_000, "3 min 5 s"),
      (7_200_000, "2 h"), (7_860_000, "2 h 11 min"), (7_201_000, "2 h"), (90_000_000, "1 d 1 h"),
      (-5, "0 s"), (.max, "106751991167 d 7 h"),
    ] as [(Int64, String)])
  func durations(milliseconds: Int64, text: String) {
    #expect(HumanTime.text(.milliseconds(milliseconds)) == text)
  }

  @Test(
    "moments are told by their distance",
    arguments: [
      (1_000_000, "now"), (999_600, "now"), (1_000_400, "now"), (988_000, "12 s ago"),
      (1_005_000, "in 5 s"), (0, "16 min 40 s ago"), (.min, "106751991167 d 7 h ago"),
    ] as [(Int64, String)])
  func moments(milliseconds: Int64, text: String) {
    let now = Timestamp(milliseconds: 1_000_000)
    #expect(HumanTime.text(Timestamp(milliseconds: milliseconds), now: now) == text)
  }
}
