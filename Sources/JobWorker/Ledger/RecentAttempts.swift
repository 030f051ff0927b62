import Jobs

/// The attempts whose outcome was reported last: bounded, the oldest are forgotten.
struct RecentAttempts: Sendable {
  private struct Note {
    var attempt: Int
    var serial: Int
  }

  let limit: Int
  private var notes: [JobID: Note] = [:]
  /// Jobs by their serial number, counted round and round; what was replaced or removed is skipped.
  private var ring: [(job: JobID, serial: Int)] = []
  private var lastSerial = 0

  /// - Parameter limit: at least 1.
  init(limit: Int) {
    self.limit = max(1, limit)
  }

  /// Which attempt of the job it was; `nil` when none is remembered.
  subscript(job: JobID) -> Int? { notes[job]?.attempt }

  mutating func insert(_ job: JobID, attempt: Int) {
    lastSerial &+= 1
    notes[job] = Note(attempt: attempt, serial: lastSerial)
    guard ring.count == limit else {
      ring.append((job, lastSerial))
      return
    }
    let place = (lastSerial &- 1) % limit
    let oldest = ring[place]
    if notes[oldest.job]?.serial == oldest.serial { notes[oldest.job] = nil }
    ring[place] = (job, lastSerial)
  }

  mutating func remove(_ job: JobID) {
    notes[job] = nil
  }
}
