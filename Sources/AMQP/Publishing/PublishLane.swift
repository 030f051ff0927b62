/// A confirm channel with what waits to be published on it and what waits to be confirmed. Belongs
/// to the connection's actor.
final class PublishLane {
  let channel: UInt16
  /// Whether the channel is open and in confirm mode.
  var isReady = false
  /// Published, unconfirmed.
  var tracker = ConfirmTracker<PublishSlot>()
  /// Batches of which at least one publication is not yet sent.
  private var waiting = FIFO<PublishBatch>()
  /// The first unsent publication of the first of them.
  private var cursor = 0

  init(channel: UInt16) {
    self.channel = channel
  }

  var hasWaiting: Bool { !waiting.isEmpty }

  func append(_ batch: PublishBatch) {
    waiting.append(batch)
  }

  /// The next publication to send, skipping those that have their verdict by now.
  func next() -> PublishSlot? {
    while let batch = waiting.first {
      while !batch.isFinished, cursor < batch.publications.count {
        defer {
          cursor += 1
          batch.sent = cursor
        }
        if !batch.isSettled(cursor) { return PublishSlot(batch: batch, index: cursor) }
      }
      cursor = 0
      _ = waiting.popFirst()
    }
    return nil
  }

  /// The channel is gone: what was sent and is unconfirmed becomes `.unknown(why)`. What is unsent
  /// keeps waiting.
  func lost(_ why: String) {
    isReady = false
    tracker.lost(why) { slot, verdict in slot.batch.settle(slot.index, verdict) }
  }

  /// Nothing will ever be sent again.
  func close(_ why: String) {
    lost(why)
    cursor = 0
    for batch in waiting.removeAll() { batch.finish(why) }
  }
}
