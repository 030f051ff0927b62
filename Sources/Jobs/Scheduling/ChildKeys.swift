/// The keys of the jobs that an attempt schedules without giving them one: the same in each attempt that goes the same way.
package struct ChildKeys: Sendable {
  private let parent: IdempotencyKey
  /// Of whatever is scheduled since the last snapshot.
  private var origin: IdempotencyKey
  private var counts: [IdempotencyKey: Int] = [:]

  package init(of parent: JobID) {
    self.parent = IdempotencyKey(uuid: parent.uuid)
    origin = self.parent
  }

  /// The callback has saved a snapshot, or goes on from it: both leave it at the same place.
  package mutating func stands(at snapshot: JSONPayload) {
    // As text of one form: what was stored may be written otherwise. One that is no JSON was not saved.
    let text = (try? snapshot.value())?.text ?? ""
    let next = parent.derived("after \(text)")
    // The same snapshot once more tells nothing apart.
    guard next != origin else { return }
    origin = next
    counts = [:]
  }

  /// The key of what is scheduled next.
  package mutating func next(_ content: String) -> IdempotencyKey {
    let key = origin.derived(content)
    defer { counts[key, default: 0] += 1 }
    let count = counts[key, default: 0]
    return count == 0 ? key : key.derived("\(count)")
  }
}
