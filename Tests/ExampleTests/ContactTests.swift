import ContactJobs
import Foundation
import Synchronization
import Testing
import WarrenTesting

/// An address book that lives as long as a test.
final class BookInMemory: AddressBook {
  private let contacts = Mutex<[String]>([])
  var all: [String] { contacts.withLock(\.self) }

  func add(_ contacts: [String]) async throws {
    self.contacts.withLock { $0 += contacts }
  }
}

@Suite("The import of contacts")
struct ContactTests {
  private let book = BookInMemory()
  private let tester = JobTester()
  private let names = (1...250).map { "contact \($0)" }

  init() {
    tester.on(ContactImporter(book: book))
  }

  private func withFile(
    _ lines: [String], _ body: (ImportContacts) async throws -> Void
  ) async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try Data(lines.joined(separator: "\n").utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    try await body(ImportContacts(path: file.path))
  }

  @Test("brings each contact, in batches, and says how far it is")
  func whole() async throws {
    try await withFile(names) { contacts in
      let run = try await tester.run(contacts)
      #expect(run.result?.imported == 250)
      #expect(run.progress.map(\.details) == ["100 of 250", "200 of 250", "250 of 250"])
      #expect(book.all == names)
    }
  }

  @Test("goes on from its snapshot after it was suspended: no contact is added twice")
  func suspended() async throws {
    try await withFile(names) { contacts in
      let run = try await tester.run(contacts, faults: .suspend(at: .afterSnapshot(1)))
      #expect(run.status == .suspended)
      #expect(book.all.count == 100)

      try await tester.resume(run.id)
      let resumed = try await tester.finish(run.id)
      #expect(resumed.status == .completed)
      #expect(book.all == names)
    }
  }

  @Test("goes on from its snapshot when its worker was killed")
  func killed() async throws {
    try await withFile(names) { contacts in
      let run = try await tester.run(contacts, faults: .killWorker(at: .afterSnapshot(2)))
      #expect(run.status == .completed)
      #expect(run.attempts == 2)
      #expect(book.all == names)
    }
  }

  @Test("is not tried again when there is no such file")
  func missing() async throws {
    let run = try await tester.run(ImportContacts(path: "/nonexistent"))
    #expect(run.status == .failed)
    #expect(run.attempts == 1)
  }
}
