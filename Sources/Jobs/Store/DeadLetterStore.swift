package import Foundation

/// Where dead letters are kept, beside the jobs, until their cause is mended.
package protocol DeadLetterStore: Sendable {
  /// Stores letters, in their order: each by itself, so that one that is not taken does not keep back the others.
  ///
  /// - Returns: what became of each, in their order.
  func keep(
    _ arrivals: [DeadLetterArrival], at now: Timestamp
  ) async throws(StoreError) -> [DeadLetterKeeping]

  /// - Parameter tenant: `nil` for anyone's.
  func deadLetter(_ id: UUID, tenant: UUID?) async throws(StoreError) -> StoredDeadLetter?

  /// A part of a tenant's letters, without their content.
  func deadLetters(_ query: DeadLetterQuery) async throws(StoreError) -> DeadLetterPage

  /// A tenant's letters by their cause, the largest group first, 1,000 at most.
  func deadLetterGroups(
    _ filter: DeadLetterFilter, tenant: UUID
  ) async throws(StoreError) -> [DeadLetterGroup]

  /// Letters were published again.
  func noteRedrives(
    _ redrives: [DeadLetterProvenance], at now: Timestamp
  ) async throws(StoreError)

  /// Letters that were published again were taken.
  func noteAcceptances(
    _ acceptances: [DeadLetterAcceptance], at now: Timestamp
  ) async throws(StoreError)

  /// Keeps beside the message of a letter that waits how it is to be published.
  ///
  /// - Parameter content: `nil` for as it was.
  /// - Returns: the letter after that, or as it is where it does not wait; `nil` where there is none.
  func edit(
    _ id: UUID, tenant: UUID, to content: DeadLetterContent?, by editor: UUID, at now: Timestamp
  ) async throws(StoreError) -> DeadLetterRecord?

  /// Removes a letter, unless it is under way.
  ///
  /// - Returns: the letter as it was; `nil` where there is none.
  func dropDeadLetter(
    _ id: UUID, tenant: UUID
  ) async throws(StoreError) -> DeadLetterRecord?

  /// Removes letters of which nothing was heard since: those that wait and those that were redriven.
  ///
  /// - Parameters:
  ///   - time: for those that wait or are under way; `nil` keeps them.
  ///   - acceptedTime: for those that have become something.
  /// - Returns: how many of the former, and of the latter, are gone.
  func pruneDeadLetters(
    unchangedSince time: Timestamp?, acceptedBy acceptedTime: Timestamp, limit: Int
  ) async throws(StoreError) -> (waiting: Int, accepted: Int)

  /// Whether there was a job of that id, and has been deleted.
  func isDeleted(_ job: JobID) async throws(StoreError) -> Bool
}

/// A message that is kept: its properties and headers in a form that loses nothing, and its body.
package struct DeadLetterContent: Sendable, Hashable {
  /// How deeply the properties are nested at most: what AMQP takes in headers, and how kinds that JSON does not have are written.
  package static let maxDepth = 320

  package var properties: JSONValue
  package var body: Data

  package init(properties: JSONValue, body: Data) {
    self.properties = properties
    self.body = body
  }
}

/// A dead letter as a whole.
package struct StoredDeadLetter: Sendable, Hashable {
  package var record: DeadLetterRecord
  package let original: DeadLetterContent
  package var edited: DeadLetterContent?

  package init(
    record: DeadLetterRecord, original: DeadLetterContent, edited: DeadLetterContent? = nil
  ) {
    self.record = record
    self.original = original
    self.edited = edited
  }

  /// As it would be published.
  package var current: DeadLetterContent { edited ?? original }
}

/// Which letter a message was, and how often it has been published since.
package struct DeadLetterProvenance: Sendable, Hashable {
  package let letter: UUID
  package let count: Int

  package init(letter: UUID, count: Int) {
    self.letter = letter
    self.count = count
  }
}

/// A letter that was published again and taken.
package struct DeadLetterAcceptance: Sendable, Hashable {
  package let provenance: DeadLetterProvenance
  package let job: JobID?

  package init(_ provenance: DeadLetterProvenance, job: JobID?) {
    self.provenance = provenance
    self.job = job
  }
}

/// A dead letter that has come.
package struct DeadLetterArrival: Sendable, Hashable {
  package let letter: StoredDeadLetter
  /// The same for messages that are the same.
  package let fingerprint: UUID
  /// Whether another letter may have been made of the same delivery.
  package let mayBeRepeated: Bool
  /// Where it was a letter before.
  package let provenance: DeadLetterProvenance?

  package init(
    _ letter: StoredDeadLetter, fingerprint: UUID, mayBeRepeated: Bool = false,
    provenance: DeadLetterProvenance? = nil
  ) {
    self.letter = letter
    self.fingerprint = fingerprint
    self.mayBeRepeated = mayBeRepeated
    self.provenance = provenance
  }
}

/// What became of a dead letter that has come.
package enum DeadLetterKeeping: Sendable, Hashable {
  case kept
  /// It is there already.
  case known
  /// It was there, was redriven, and waits again.
  case returned
  /// The store never takes it.
  case unfit(String)
}

/// A part of a tenant's letters, in the order in which they came.
package struct DeadLetterQuery: Sendable, Hashable {
  package var tenant: UUID
  package var filter: DeadLetterFilter
  package var newestFirst: Bool
  /// What follows this place, which is ``DeadLetterPage/next`` of another part; `nil` for the start.
  package var after: Int64?
  package var offset: Int
  package var limit: Int

  package init(
    tenant: UUID, filter: DeadLetterFilter = DeadLetterFilter(), newestFirst: Bool = true,
    after: Int64? = nil, offset: Int = 0, limit: Int
  ) {
    self.tenant = tenant
    self.filter = filter
    self.newestFirst = newestFirst
    self.after = after
    self.offset = offset
    self.limit = limit
  }
}

/// A part of a tenant's letters.
package struct DeadLetterPage: Sendable, Hashable {
  package let letters: [DeadLetterRecord]
  /// How many there are in all.
  package let total: Int
  /// The place of the last letter of this part, which stays one when the letter is gone; `nil` where none follows.
  package let next: Int64?

  package init(letters: [DeadLetterRecord], total: Int, next: Int64?) {
    self.letters = letters
    self.total = total
    self.next = next
  }
}
