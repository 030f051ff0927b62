package import Foundation

/// A job that is looked for, within a tenant.
package enum JobLookup: Sendable, Hashable {
  case id(JobID, tenant: UUID)
  case key(UUID, tenant: UUID)
}

extension JobLookup: CustomStringConvertible {
  /// The id, or the key.
  package var description: String {
    switch self {
    case .id(let job, _): job.description
    case .key(let key, _): key.uuidString.lowercased()
    }
  }
}

/// What became of a ``JobLookup``.
package enum JobFinding: Sendable, Hashable {
  case found(Job)
  /// There is none, or it is another tenant's.
  case unknown
  /// What was found before it has as many bytes as were asked for: to be asked for again.
  case left
}
