import ArgumentParser
import Foundation
import JobClient
import Jobs
import Testing

@testable import WarrenCommand

@Suite("Dead letters on the command line")
struct DeadLetterTextTests {
  private let message = DeadLetterMessage(
    properties: ["type": "a:b", "priority": 3], headers: ["h": 1, "g": "x"], body: ["n": "x"],
    bodyBase64: nil)

  private func edited(_ text: String) throws -> DeadLetterChange? {
    try MessageEditor.change(of: message, to: Data(text.utf8))
  }

  @Test("what is different in an edited message is what is sent")
  func change() throws {
    #expect(
      try edited(
        #"{"body": {"n": "x"}, "headers": {"g": "x", "h": 1}, "properties": {"priority": 3, "type": "a:b"}}"#
      ) == nil)
    let change = try #require(
      try edited(
        #"{"body": {"n": 1}, "headers": {"h": 2}, "properties": {"type": "c:d", "priority": 3}}"#))
    #expect(change.body == Data(#"{"n":1}"#.utf8))
    #expect(change.headers == ["g": .null, "h": 2])
    #expect(change.properties == ["type": "c:d"])
    let bytes = try #require(
      try edited(
        #"{"body_base64": "AQ==", "headers": {"g": "x", "h": 1}, "properties": {"priority": 3, "type": "a:b"}}"#
      ))
    #expect(bytes == DeadLetterChange(body: Data([1])))
    #expect(throws: ParamError.self) { try edited("{") }
    #expect(throws: ParamError.self) { try edited(#"{"headers": {}}"#) }
    #expect(throws: ParamError.self) {
      try edited(#"{"body_base64": "?", "headers": {}, "properties": {}}"#)
    }
  }

  @Test("results are told in a line each, and summed up")
  func results() throws {
    let id = UUID()
    let refused = DeadLetterResult(
      id: id, .refused, reason: "unknown-type", detail: "there is no such type\u{1B}[2J")
    #expect(
      DeadLetterText.line(refused)
        == "\(id.uuidString.lowercased()) refused, unknown-type: there is no such type [2J")
    #expect(
      DeadLetterText.sum([refused, DeadLetterResult(id: id, .sent), refused]) == "1 sent, 2 refused"
    )
    #expect(DeadLetterText.sum([]) == "there are no such dead letters")
  }

  @Test(
    "which letters are meant has to be said, and what is lost takes --yes",
    arguments: [
      ["redrive"], ["redrive", "--all"], ["drop", "01a20eaa-31a4-77a4-a10e-18c035d7434b"],
      ["redrive", "--reason", "x"], ["redrive", "--all", "--reason", "x", "--yes"],
      ["redrive", "01a20eaa-31a4-77a4-a10e-18c035d7434b", "--all", "--yes"],
      ["drop", "--all", "--yes", "--dry-run"], ["redrive", "--all", "--yes", "--rate", "0"],
      ["edit", "x"], ["edit", "01a20eaa-31a4-77a4-a10e-18c035d7434b", "--reset", "--type", "a:b"],
      ["list", "--state", "waiting", "--any-state"], ["list", "--page", "1", "--after", "2"],
    ])
  func refused(_ arguments: [String]) {
    #expect(throws: (any Error).self) { try DeadCommand.parseAsRoot(arguments) }
  }

  @Test(
    "letters are chosen by ids, filters or all",
    arguments: [
      ["redrive", "01a20eaa-31a4-77a4-a10e-18c035d7434b"], ["redrive", "--all", "--dry-run"],
      ["redrive", "--reason", "x", "--yes", "--rate", "0.5"], ["drop", "--all", "--yes"],
      ["list", "--group"], ["edit", "01a20eaa-31a4-77a4-a10e-18c035d7434b", "--header", "a="],
    ])
  func accepted(_ arguments: [String]) throws {
    _ = try DeadCommand.parseAsRoot(arguments)
  }
}
