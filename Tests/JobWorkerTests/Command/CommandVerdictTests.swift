import Jobs
import Testing

@testable import JobWorker

@Suite struct CommandVerdictTests {
  private func verdict(
    _ end: CommandEnd, output: String = "", error: String = "",
    conclusion: CommandOutcome.Conclusion? = nil, retry: CommandRetry? = nil,
    isInterrupted: Bool = false, lost: String? = nil
  ) -> CommandVerdict {
    var head = OutputHead(limit: 10)
    head.append(output.utf8)
    return CommandVerdict(
      CommandOutcome(
        end: end, output: head, errorTail: error, conclusion: conclusion, retry: retry,
        isInterrupted: isInterrupted, lostReport: lost))
  }

  @Test func aProgramSaysWhenItsJobRunsAgainIfItFails() {
    let retry = CommandRetry(delay: .seconds(30), counted: false)
    #expect(
      verdict(.exited(3), error: "busy", retry: retry)
        == .retryAfter(message: "exit code 3: busy", retry))
    #expect(
      verdict(.signaled(9), retry: retry) == .retryAfter(message: "killed by SIGKILL (9)", retry))
    #expect(verdict(.exited(0), conclusion: .result(1), retry: retry) == .completed(1))
    #expect(
      verdict(.exited(100), retry: retry) == .failed(message: "exit code 100", permanent: true))
    #expect(
      verdict(.exited(3), retry: retry, isInterrupted: true) == .interrupted("exit code 3"))
  }

  @Test func aProgramHasItsJobSnoozedWhateverItsExitCode() {
    let snooze = CommandOutcome.Conclusion.snooze(.seconds(30), "early")
    for end in [CommandEnd.exited(0), .exited(3), .exited(100), .signaled(15)] {
      #expect(
        verdict(end, output: "out", conclusion: snooze, isInterrupted: true)
          == .snoozed(.seconds(30), "early"))
    }
    // What it told besides is not known.
    #expect(
      verdict(.exited(0), conclusion: snooze, lost: "a line")
        == .failed(message: "a line", permanent: true))
    #expect(
      verdict(.exited(3), conclusion: snooze, lost: "a line")
        == .failed(message: "exit code 3; a line", permanent: false))
  }

  @Test func exitCodeZeroCompletes() {
    #expect(verdict(.exited(0)) == .completed(nil))
    #expect(verdict(.exited(0), output: "out\n", error: "noise") == .completed("out"))
    #expect(verdict(.exited(0), output: "\n") == .completed(""))
    #expect(
      verdict(.exited(0), output: "out", conclusion: .result(["a": 1])) == .completed(["a": 1]))
    #expect(verdict(.exited(0), output: "out", conclusion: .result(.null)) == .completed(.null))
    #expect(verdict(.exited(0), output: "out", conclusion: .skip("why")) == .skipped("why"))
  }

  @Test func outputOverItsLimitCompletesAndSaysSo() {
    #expect(
      verdict(.exited(0), output: "0123456789ab")
        == .completed("0123456789\n[truncated: the first 10 of 12 bytes]"))
  }

  @Test func otherEndsFail() {
    #expect(
      verdict(.exited(3), output: "out", error: "no disk", conclusion: .result(1))
        == .failed(message: "exit code 3: no disk", permanent: false))
    #expect(
      verdict(.exited(1), conclusion: .skip("why"))
        == .failed(message: "exit code 1", permanent: false))
    #expect(
      verdict(.exited(100), error: "never")
        == .failed(message: "exit code 100: never", permanent: true))
    #expect(
      verdict(.signaled(9)) == .failed(message: "killed by SIGKILL (9)", permanent: false))
    #expect(
      verdict(.signaled(100), error: "x")
        == .failed(message: "killed by signal (100): x", permanent: false))
  }
}
