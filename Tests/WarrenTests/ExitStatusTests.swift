import ArgumentParser
import FakeAPI
import Foundation
import JobClient
import JobConfig
import JobStore
import Jobs
import Testing

@testable import WarrenCommand

/// Testing has one as well.
private typealias ExitStatus = WarrenCommand.ExitStatus

@Suite("Exit statuses")
struct ExitStatusTests {
  @Test("tell what went wrong")
  func errors() throws {
    let problem = Problem(type: "/problems/not-found", title: "t", status: 404, detail: "d")
    let expected: [(any Error, ExitStatus)] = [
      (JobClientError.invalidRequest(""), .usage),
      (JobClientError.unreachable(server: "", why: ""), .unreachable),
      (JobClientError.problem(problem), .refused),
      (JobClientError.unexpectedAnswer(server: "", why: ""), .unexpectedAnswer),
      (JobClientError.timedOut(try .fixture()), .timedOut),
      (ParamError(""), .usage), (Interrupted(), .interrupted), (ValidationError(""), .usage),
      (StoreFileError.earlierFile(path: "a"), .configuration),
      (StoreFileError.inUse(path: "a", process: nil), .unexpectedAnswer),
      (ExitCode(1), .jobNotCompleted), (CleanExit.helpRequest(), .ok),
    ]
    for (error, status) in expected { #expect(ExitStatus(error) == status, "\(error)") }
    let configuration = #expect(throws: ConfigurationError.self) {
      try WarrenConfiguration.parse("[]", file: "", environment: [:])
    }
    #expect(ExitStatus(try #require(configuration)) == .configuration)
  }

  @Test("have their documented numbers, all in the help")
  func numbers() {
    #expect(ExitStatus.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 130])
    let help = Warren.helpMessage()
    for status in ExitStatus.allCases {
      let number = "  \(status.rawValue)".padding(toLength: 7, withPad: " ", startingAt: 0)
      #expect(help.contains("\n\(number)\(status.meaning)\n"), "\(status)")
    }
  }

  @Test(
    "a wrong command line is 2",
    arguments: [
      ["nope"], ["get"], ["get", "abc"], ["--nope"], ["schedule"], ["schedule", "checksum"],
      ["schedule", "a:b", "--param", "x"], ["schedule", "a:b", "--param", "x=1", "--params", "{}"],
      ["schedule", "a:b", "--in", "5"], ["schedule", "a:b", "--at", "tomorrow"],
      ["schedule", "a:b", "--at", "2030-01-01T00:00:00Z", "--in", "5s"],
      ["schedule", "a:b", "--idempotency-key", ""], ["schedule", "a:b", "--max-retries", "x"],
      ["schedule", "a:b", "--wait-timeout", "5s"], ["list", "--status", "done"],
      ["list", "--queue", "a b"], ["list", "--after", "4", "--page", "2"],
      ["schedule", "a:b", "--priority", "10"], ["schedule", "a:b", "--priority=-1"],
      ["schedule", "a:b", "--priority", "high"], ["wait", "x"], ["queues", "--tenant", "x"],
    ])
  func usage(arguments: [String]) throws {
    let error = #expect(throws: (any Error).self) { try Warren.parseAsRoot(arguments) }
    #expect(ExitStatus(try #require(error)) == .usage)
  }
}
