/// What the supervisor of a connection is told, and whether it waits to be told. Belongs to the
/// connection's actor.
struct NoticeBox {
  enum Notice {
    case lost(generation: UInt64, AMQPError)
    case repair(consumer: UInt64, AMQPError)
    case stop
  }

  private var notices = FIFO<Notice>()
  private var waiter: (() -> Void)?

  mutating func post(_ notice: Notice) {
    notices.append(notice)
    let waiter = self.waiter
    self.waiter = nil
    waiter?()
  }

  mutating func take() -> Notice? { notices.popFirst() }

  /// Calls `waiter` once there is a notice.
  mutating func wait(_ waiter: @escaping () -> Void) {
    if notices.isEmpty {
      self.waiter = waiter
    } else {
      waiter()
    }
  }

  /// Forgets what concerned a connection that is gone.
  mutating func removeAll() { _ = notices.removeAll() }
}
