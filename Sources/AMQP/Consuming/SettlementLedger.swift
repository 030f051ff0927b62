/// The deliveries of one channel that are not settled, and which of them the application has
/// settled since the last ``flush()``. It finds where one frame with `multiple` does for many.
struct SettlementLedger {
  private enum State: UInt8 {
    case outstanding, ack, requeue, drop, settled

    init(_ kind: Settlement.Kind) {
      self =
        switch kind {
        case .ack: .ack
        case .requeue: .requeue
        case .drop: .drop
        }
    }

    var kind: Settlement.Kind? {
      switch self {
      case .ack: .ack
      case .requeue: .requeue
      case .drop: .drop
      case .outstanding, .settled: nil
      }
    }
  }

  /// Of the deliveries numbered `base`, `base + 1`, …; all below `base` are settled.
  private var states: [State] = []
  private var base: UInt64 = 1
  /// The indices in `states` that have been settled since the last flush.
  private var pending: [UInt64] = []
  /// How many deliveries the broker still counts as unacknowledged, pending ones included.
  private(set) var unsettled = 0

  /// Whether ``flush()`` would give anything.
  var hasPending: Bool { !pending.isEmpty }

  /// Notes a delivery. False if its number is not the next one, which the broker never does.
  mutating func delivered(_ tag: UInt64) -> Bool {
    guard tag == base + UInt64(states.count) else { return false }
    states.append(.outstanding)
    unsettled += 1
    return true
  }

  /// Notes that the application has settled a delivery. False if it never came, or was settled
  /// before.
  mutating func settle(_ tag: UInt64, _ kind: Settlement.Kind) -> Bool {
    guard tag >= base, tag - base < UInt64(states.count) else { return false }
    let index = Int(tag - base)
    guard states[index] == .outstanding else { return false }
    states[index] = State(kind)
    pending.append(tag)
    return true
  }

  /// Notes that the application has settled deliveries; those of another generation are ignored.
  /// How many never came, or were settled before.
  mutating func settle(
    _ tags: [DeliveryTag], of generation: UInt64, _ kind: Settlement.Kind
  ) -> Int {
    var strays = 0
    for tag in tags where tag.generation == generation && !settle(tag.value, kind) { strays += 1 }
    return strays
  }

  /// The frames that tell the broker what has been settled since the last flush.
  mutating func flush() -> [Settlement] {
    guard !pending.isEmpty else { return [] }
    var frames: [Settlement] = []
    // Everything up to the first outstanding delivery can be told in runs of one kind each.
    var end = 0
    while end < states.count, states[end] != .outstanding {
      if let kind = states[end].kind {
        let tag = base + UInt64(end)
        if frames.last?.kind == kind {
          frames[frames.count - 1] = Settlement(kind: kind, tag: tag, multiple: true)
        } else {
          frames.append(Settlement(kind: kind, tag: tag, multiple: false))
        }
      }
      end += 1
    }
    // Behind it, only one by one.
    let front = base + UInt64(end)
    for tag in pending where tag >= front {
      let index = Int(tag - base)
      if let kind = states[index].kind {
        frames.append(Settlement(kind: kind, tag: tag, multiple: false))
        states[index] = .settled
      }
    }
    unsettled -= pending.count
    pending.removeAll(keepingCapacity: true)
    states.removeFirst(end)
    base = front
    return frames
  }
}

/// One acknowledgement or refusal as it goes over the wire.
struct Settlement: Equatable {
  enum Kind: UInt8 {
    case ack
    case requeue
    case drop
  }

  var kind: Kind
  var tag: UInt64
  var multiple: Bool
}
