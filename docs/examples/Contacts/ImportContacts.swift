import Foundation
public import Jobs
import Logging

/// Imports a file of contacts, one a line. It may take hours, and goes on where it was when it is run again.
public struct ImportContacts: JobParams {
  public static let job = JobDefinition(
    "contacts:import", queue: .download, timeout: .seconds(3600),
    retry: .exponential(5).when { !($0 is CocoaError) }, suspendable: true)
  public static let defaults = ParamDefaults { Self(path: $0) }
  public static let descriptions = ["path": "A file with one contact a line"]

  public var path: String
  public var batch = 100

  public init(path: String) {
    self.path = path
  }

  public struct Result: Codable, Sendable {
    public var imported: Int
  }
}

/// Where contacts are kept. To add one twice does no harm.
public protocol AddressBook: Sendable {
  func add(_ contacts: [String]) async throws
}

public struct ContactImporter<Book: AddressBook>: JobHandler {
  let book: Book

  public init(book: Book) {
    self.book = book
  }

  public func run(
    _ params: ImportContacts, _ job: JobContext
  ) async throws -> ImportContacts.Result {
    let contacts = try String(contentsOfFile: params.path, encoding: .utf8)
      .split(separator: "\n").map(String.init)
    var done = try job.loadSnapshot(as: Int.self) ?? 0
    while done < contacts.count {
      try Task.checkCancellation()
      let batch = contacts.dropFirst(done).prefix(params.batch)
      try await book.add(Array(batch))
      done += batch.count
      try await job.saveSnapshot(done)
      job.progress(Double(done) / Double(contacts.count) * 100, "\(done) of \(contacts.count)")
    }
    return .init(imported: contacts.count)
  }
}

extension ContactImporter: JobSuspending {
  public func willSuspend(_ params: ImportContacts, _ job: JobContext) async throws {
    job.logger.info("the import is about to pause")
  }
}
