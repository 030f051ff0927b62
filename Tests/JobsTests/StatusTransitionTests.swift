import Testing

@testable import Jobs

@Suite("Status transitions")
struct StatusTransitionTests {
  /// The table of the design, written out by hand: what the code says is held against it.
  static let table: [JobStatus: Set<JobStatus>] = [
    .initializing: [.waiting, .suspended, .canceled, .failed],
    .waiting: [.running, .suspended, .canceled, .failed, .skipped],
    .running: [
      .completed, .failed, .timedOut, .skipped, .locked, .canceling, .suspending, .waiting,
    ],
    .locked: [.running, .canceling, .suspending, .failed, .timedOut, .waiting],
    .canceling: [.canceled, .completed, .failed, .timedOut, .skipped],
    .suspending: [.suspended, .canceling, .completed, .failed, .timedOut, .skipped],
    .suspended: [.resuming, .canceled],
    .resuming: [.waiting, .canceled, .failed],
  ]

  static let pairs = JobStatus.allCases.flatMap { from in
    JobStatus.allCases.map { (from, $0) }
  }

  @Test("there are thirteen, with the reference's strings")
  func names() {
    #expect(
      JobStatus.allCases.map(\.rawValue) == [
        "initializing", "waiting", "resuming", "running", "canceling", "suspending", "locked",
        "suspended", "skipped", "canceled", "failed", "timeout", "completed",
      ])
  }

  @Test("every pair is applied, ignored or rejected as the table says", arguments: pairs)
  func decision(from: JobStatus, to: JobStatus) {
    let final: Set<JobStatus> = [.skipped, .canceled, .failed, .timedOut, .completed]
    let resumed: Set<JobStatus> = [.initializing, .waiting, .resuming, .running, .locked]
    let expected: StatusTransition =
      if from == to {
        .ignore
      } else if Self.table[from, default: []].contains(to) {
        .apply
      } else if to == .canceling, final.contains(from) {
        .ignore
      } else if to == .resuming, resumed.contains(from) {
        .ignore
      } else {
        .reject(StatusTransitionError(from: from, to: to))
      }
    #expect(StatusTransition(from: from, to: to) == expected)
  }

  @Test("a final status has no successors, every other one has")
  func finality() {
    for status in JobStatus.allCases { #expect(status.isFinal == status.successors.isEmpty) }
  }

  @Test("a rejection names both statuses and what would be possible")
  func message() {
    #expect(
      StatusTransitionError(from: .suspended, to: .running).description
        == "a job that is suspended cannot become running; from there it may become canceled, resuming"
    )
    #expect(
      StatusTransitionError(from: .completed, to: .running).description
        == "a job that is completed cannot become running; it is final")
  }

  @Test("a held or resuming job cannot be deleted")
  func deletion() {
    let kept: Set<JobStatus> = [.resuming, .running, .canceling, .suspending, .locked]
    for status in JobStatus.allCases { #expect(status.isDeletable != kept.contains(status)) }
  }
}
