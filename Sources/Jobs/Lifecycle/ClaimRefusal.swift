/// Why a ticket is void.
public enum ClaimRefusal: String, Sendable, Hashable, Codable {
  /// There is no such job: deleted, or never created.
  case unknown
  /// The job has ended.
  case ended
  /// The job is for later; it is issued again when it is due.
  case notDue = "not_due"
  /// A worker that is alive has it.
  case heldByAnother = "held_by_another"
  /// It is being created, suspended or resumed.
  case notWaiting = "not_waiting"
}
