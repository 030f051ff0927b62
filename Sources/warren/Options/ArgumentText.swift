import ArgumentParser
import Foundation
import JobConfig
import Jobs

/// How the texts of arguments are read; what is wrong with one becomes part of the parser's message.
enum ArgumentText {
  static func jobID(_ text: String) throws -> JobID {
    guard let id = JobID(text) else { throw ValidationError("a job id is a UUID") }
    return id
  }

  static func uuid(_ text: String) throws -> UUID {
    guard let uuid = UUID(uuidString: text) else { throw ValidationError("it must be a UUID") }
    return uuid
  }

  static func jobType(_ text: String) throws -> JobTypeID {
    try JobTypeID(text)
  }

  static func queue(_ text: String) throws -> JobQueueName {
    try JobQueueName(text)
  }

  static func duration(_ text: String) throws -> Duration {
    try DurationText.parse(text)
  }

  /// Statuses, separated by commas.
  static func statuses(_ text: String) throws -> [JobStatus] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
      guard let status = JobStatus(rawValue: String(word)) else {
        let known = JobStatus.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("'\(word)' is no status; statuses are \(known)")
      }
      return status
    }
  }

  /// A moment by ISO 8601, with its offset from UTC.
  static func moment(_ text: String) throws -> Timestamp {
    for fraction in [false, true] {
      let style = Date.ISO8601FormatStyle(includingFractionalSeconds: fraction)
      if let date = try? style.parse(text) {
        let milliseconds = (date.timeIntervalSince1970 * 1000).rounded()
        guard let whole = Int64(exactly: milliseconds), whole >= 0 else { break }
        return Timestamp(milliseconds: whole)
      }
    }
    throw ValidationError(
      "a time is written as in 2030-01-31T18:30:00Z or 2030-01-31T18:30:00+01:00")
  }

  static func backoff(_ text: String) throws -> Backoff {
    guard let backoff = Backoff(rawValue: text) else {
      let known = Backoff.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("'\(text)' is none of \(known)")
    }
    return backoff
  }
}
