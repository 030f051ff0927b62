import Foundation
import Testing

@testable import Jobs

@Suite("Identities and times")
struct IdentityTests {
  @Test("a version 7 UUID carries its time, version and variant")
  func version7() {
    let uuid = UUID.version7(at: Timestamp(milliseconds: 0x0123_4567_89AB))
    #expect(uuid.uuidString.hasPrefix("01234567-89AB-7"))
    #expect(
      "89AB".contains(
        uuid.uuidString[uuid.uuidString.index(uuid.uuidString.startIndex, offsetBy: 19)]))
  }

  @Test("ids made later sort later")
  func order() {
    let early = JobID(UUID.version7(at: Timestamp(milliseconds: 1000)))
    let late = JobID(UUID.version7(at: Timestamp(milliseconds: 1001)))
    #expect(early < late)
    #expect(early.description < late.description)
  }

  @Test(
    "a job type is group:name",
    arguments: [
      "a", "a:", ":b", "a b:c", "", "ä:b", "a.b:c", "a:b:", "a::b", "a:b::c", "a:b:c d",
      "a:\(String(repeating: "b:", count: 32))c",
    ])
  func typeRefused(text: String) {
    #expect(throws: NameError.self) { try JobTypeID(text) }
  }

  @Test("a type's name may have colons of its own; the first one ends the group")
  func colons() throws {
    let id = try JobTypeID("media:video:hd")
    #expect(id.group == "media")
    #expect(id.name == "video:hd")
    #expect(id.description == "media:video:hd")
    #expect(try JobTypeID(group: "media", name: "video:hd") == id)
  }

  @Test("a name has 1 to 64 characters")
  func length() throws {
    _ = try JobTypeID(group: String(repeating: "a", count: 64), name: "b")
    #expect(throws: NameError.self) {
      try JobTypeID(group: String(repeating: "a", count: 65), name: "b")
    }
  }

  @Test(
    "a job queue cannot take the name of one of Warren's own",
    arguments: ["submit", "dead", "worker", "requests"])
  func reserved(name: String) {
    #expect(throws: NameError.self) { try JobQueueName(name) }
  }

  @Test("seconds from outside are taken from 0 to 100 years")
  func seconds() {
    #expect(Duration(checkedSeconds: 1.5) == .milliseconds(1500))
    for wrong in [-1, .nan, .infinity, 4e9] { #expect(Duration(checkedSeconds: wrong) == nil) }
  }

  @Test("times at the ends of their range do not trap")
  func extremes() {
    let end = Timestamp(milliseconds: .max)
    #expect(end + .seconds(1) == end)
    #expect(Timestamp(milliseconds: .min) + .seconds(-1) == Timestamp(milliseconds: .min))
    #expect((end - Timestamp(milliseconds: .min)) > .zero)
  }

  @Test("a worker's id starts with its host and is new each time")
  func worker() {
    #expect(WorkerID(host: "build-7.example.org").rawValue.hasPrefix("build-7-"))
    #expect(WorkerID(host: "…").rawValue.hasPrefix("worker-"))
    #expect(WorkerID(host: "a") != WorkerID(host: "a"))
  }
}
