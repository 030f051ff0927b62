/// Something to do at a time, unless cancelled before. Belongs to one actor, hence not `Sendable`.
final class Deadline {
  private var action: (() -> Void)?

  init(_ action: @escaping () -> Void) {
    self.action = action
  }

  /// Whether it is neither cancelled nor past.
  var isPending: Bool { action != nil }

  func cancel() { action = nil }

  func fire() {
    guard let action else { return }
    self.action = nil
    action()
  }
}
