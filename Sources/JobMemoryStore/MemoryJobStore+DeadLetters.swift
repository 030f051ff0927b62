package import Foundation
package import Jobs

extension MemoryJobStore {
  /// A letter, in the order in which it came.
  struct DeadLetterEntry {
    let number: Int64
    let fingerprint: UUID
    var letter: StoredDeadLetter
  }

  package func keep(
    _ arrivals: [DeadLetterArrival], at now: Timestamp
  ) -> [DeadLetterKeeping] {
    write { state in arrivals.map { state.keep($0, at: now) } }
  }

  package func deadLetter(_ id: UUID, tenant: UUID?) -> StoredDeadLetter? {
    read { state in
      state.deadLetters.first {
        $0.letter.record.id == id && (tenant == nil || $0.letter.record.tenantID == tenant)
      }?.letter
    }
  }

  package func deadLetters(_ query: DeadLetterQuery) -> DeadLetterPage {
    read { state in
      let all = state.deadLetters.filter {
        $0.letter.record.tenantID == query.tenant && query.filter.matches($0.letter.record)
      }
      let ordered = query.newestFirst ? all.reversed() : all
      let rest = ordered.filter { entry in
        query.after.map { query.newestFirst ? entry.number < $0 : entry.number > $0 } ?? true
      }.dropFirst(query.offset)
      let part = rest.prefix(query.limit)
      return DeadLetterPage(
        letters: part.map(\.letter.record), total: all.count,
        next: rest.count > part.count ? part.last?.number : nil)
    }
  }

  package func deadLetterGroups(
    _ filter: DeadLetterFilter, tenant: UUID
  ) -> [DeadLetterGroup] {
    struct Cause: Hashable {
      let reason: String
      let pointer: String?
    }
    let letters = read { state in
      state.deadLetters.map(\.letter.record).filter {
        $0.tenantID == tenant && filter.matches($0)
      }
    }
    var times: [Cause: [Timestamp]] = [:]
    for letter in letters {
      let pointers: [String?] =
        letter.errors.isEmpty ? [nil] : Array(Set(letter.errors.map(\.pointer)))
      for pointer in pointers {
        times[Cause(reason: letter.reason, pointer: pointer), default: []].append(letter.arrivedAt)
      }
    }
    let groups = times.map { cause, times in
      DeadLetterGroup(
        reason: cause.reason, pointer: cause.pointer, count: times.count,
        oldest: times.min() ?? .now, newest: times.max() ?? .now)
    }
    return Array(
      groups.sorted {
        (-$0.count, $0.reason, $0.pointer ?? "") < (-$1.count, $1.reason, $1.pointer ?? "")
      }.prefix(1000))
  }

  package func noteRedrives(_ redrives: [DeadLetterProvenance], at now: Timestamp) {
    write { state in
      for redrive in redrives {
        state.changeDeadLetter(redrive.letter) {
          $0.record.noteRedrive(count: redrive.count, at: now)
        }
      }
    }
  }

  package func noteAcceptances(_ acceptances: [DeadLetterAcceptance], at now: Timestamp) {
    write { state in
      for acceptance in acceptances {
        state.changeDeadLetter(acceptance.provenance.letter) {
          $0.record.noteAcceptance(
            count: acceptance.provenance.count, job: acceptance.job, at: now)
        }
      }
    }
  }

  package func edit(
    _ id: UUID, tenant: UUID, to content: DeadLetterContent?, by editor: UUID, at now: Timestamp
  ) -> DeadLetterRecord? {
    write { state in
      state.changeDeadLetter(id, of: tenant) { letter in
        guard letter.record.state == .waiting else { return }
        letter.record.noteEdit(by: content == nil ? nil : editor, at: now)
        letter.edited = content
      }
    }
  }

  package func dropDeadLetter(_ id: UUID, tenant: UUID) -> DeadLetterRecord? {
    write { state in
      let record = state.changeDeadLetter(id, of: tenant) { _ in }
      if let record, record.state != .redriven {
        state.deadLetters.removeAll { $0.letter.record.id == id }
      }
      return record
    }
  }

  package func pruneDeadLetters(
    unchangedSince time: Timestamp?, acceptedBy acceptedTime: Timestamp, limit: Int
  ) -> (waiting: Int, accepted: Int) {
    write { state in
      func prune(_ of: DeadLetterState, _ time: Timestamp?, _ limit: Int) -> Int {
        guard let time, limit > 0 else { return 0 }
        let old = state.deadLetters.map(\.letter.record)
          .filter { $0.state == of && $0.updatedAt <= time }
          .sorted { $0.updatedAt < $1.updatedAt }.prefix(limit).map(\.id)
        state.deadLetters.removeAll { old.contains($0.letter.record.id) }
        return old.count
      }
      var waiting = prune(.waiting, time, limit)
      waiting += prune(.redriven, time, limit - waiting)
      return (waiting, prune(.accepted, acceptedTime, limit - waiting))
    }
  }

  package func isDeleted(_ job: JobID) -> Bool {
    read { $0.tombstones[job] != nil }
  }
}

extension MemoryJobStore.State {
  fileprivate mutating func keep(
    _ arrival: DeadLetterArrival, at now: Timestamp
  ) -> DeadLetterKeeping {
    var letter = arrival.letter
    if let provenance = arrival.provenance {
      let known = changeDeadLetter(provenance.letter) {
        $0.record.noteRefusal(
          count: provenance.count, reason: letter.record.reason,
          explanation: letter.record.explanation, errors: letter.record.errors, at: now)
      }
      if known != nil { return .returned }
    }
    guard !deadLetters.contains(where: { $0.letter.record.id == letter.record.id }) else {
      return .known
    }
    if arrival.mayBeRepeated {
      let same = deadLetters.last {
        $0.fingerprint == arrival.fingerprint
          && $0.letter.record.tenantID == letter.record.tenantID
      }
      if let same { letter.record.root = same.letter.record.root }
    }
    lastDeadLetter += 1
    deadLetters.append(
      MemoryJobStore.DeadLetterEntry(
        number: lastDeadLetter, fingerprint: arrival.fingerprint, letter: letter))
    return .kept
  }

  @discardableResult
  fileprivate mutating func changeDeadLetter(
    _ id: UUID, of tenant: UUID? = nil, _ change: (inout StoredDeadLetter) -> Void
  ) -> DeadLetterRecord? {
    let index = deadLetters.firstIndex {
      $0.letter.record.id == id && (tenant == nil || tenant == $0.letter.record.tenantID)
    }
    guard let index else { return nil }
    change(&deadLetters[index].letter)
    return deadLetters[index].letter.record
  }
}
