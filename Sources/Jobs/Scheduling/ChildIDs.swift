import Foundation

/// The ids of the jobs that an attempt schedules without a key: the same in each attempt that goes the same way. The same id once
/// more is the same job.
package struct ChildIDs: Sendable {
  private let parent: JobID
  private let root: IdempotencyKey
  /// Of whatever is scheduled since the last snapshot.
  private var origin: IdempotencyKey
  /// How often each was scheduled since.
  private var counts: [IdempotencyKey: Int] = [:]
  /// How often the callback came to each snapshot.
  private var visits: [IdempotencyKey: Int] = [:]
  /// The snapshot at which it stands.
  private var current: IdempotencyKey?
  /// Where the callback stands, if nothing was scheduled since.
  private var place: JSONPayload?

  package init(of parent: JobID) {
    self.parent = parent
    root = IdempotencyKey(uuid: parent.uuid)
    origin = root
  }

  /// The callback has saved a snapshot, or goes on from it: both leave it at the same place.
  package mutating func stands(at snapshot: JSONPayload) {
    // Most jobs schedule none, and snapshots may be large.
    place = snapshot
  }

  private mutating func settle() {
    guard let place else { return }
    self.place = nil
    // As text of one form: what was stored may be written otherwise. One that is no JSON was not saved.
    let text = (try? place.value())?.text ?? ""
    let next = root.derived("after \(text)")
    // The same snapshot once more tells nothing apart.
    guard next != current else { return }
    current = next
    counts = [:]
    // Whoever comes back to an earlier one goes on to other children.
    let visit = visits[next, default: 0]
    visits[next] = visit + 1
    origin = visit == 0 ? next : next.derived("visit \(visit)")
  }

  /// The id of what is scheduled next.
  package mutating func next(_ content: String) -> JobID {
    settle()
    let key = origin.derived(content)
    defer { counts[key, default: 0] += 1 }
    let count = counts[key, default: 0]
    return JobID(count == 0 ? key : key.derived("\(count)"), near: parent)
  }
}

extension JobID {
  /// An id that sorts near another, and has the rest of a key (RFC 9562, section 5.8).
  package init(_ key: IdempotencyKey, near other: JobID) {
    var bytes = key.uuid.uuid
    let time = other.uuid.uuid
    (bytes.0, bytes.1, bytes.2) = (time.0, time.1, time.2)
    (bytes.3, bytes.4, bytes.5) = (time.3, time.4, time.5)
    bytes.6 = 0x80 | (bytes.6 & 0x0F)
    self.init(UUID(uuid: bytes))
  }
}
