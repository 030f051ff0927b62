package import Foundation

/// Which transitions somebody wants to be told of.
package struct EventFilter: Sendable, Hashable {
  /// Only of this tenant's jobs; `nil` for everyone's.
  package var tenant: UUID?
  /// Only into one of these; empty for any, as with the following.
  package var statuses: Set<JobStatus>
  package var types: Set<JobTypeID>
  package var queues: Set<JobQueueName>
  /// Only of jobs that somebody may see.
  package var scope = JobScope.all

  package init(
    tenant: UUID? = nil, statuses: Set<JobStatus> = [], types: Set<JobTypeID> = [],
    queues: Set<JobQueueName> = []
  ) {
    self.tenant = tenant
    self.statuses = statuses
    self.types = types
    self.queues = queues
  }

  package func matches(_ logged: LoggedEvent) -> Bool {
    (tenant == nil || tenant == logged.tenant)
      && (statuses.isEmpty || statuses.contains(logged.event.to))
      && (types.isEmpty || types.contains(logged.event.type))
      && (queues.isEmpty || queues.contains(logged.event.queue))
      && scope.contains(logged.event.type, in: logged.event.queue)
  }
}

/// A row of the transition log, and whose job it is of.
package struct LoggedEvent: Sendable, Hashable {
  package let event: JobEvent
  package let tenant: UUID

  package init(_ event: JobEvent, tenant: UUID) {
    self.event = event
    self.tenant = tenant
  }

  /// About how much it takes in memory.
  package var bytes: Int { 250 + (event.reason?.utf8.count ?? 0) }
}

/// A part of the transition log.
package struct EventPage: Sendable, Hashable {
  /// About how many bytes the transitions of one page may take; one is always there, whatever it takes.
  package static let mostBytes = 1 << 20

  /// Those that were looked for, in the log's order.
  package var events: [LoggedEvent]
  /// Up to which number was looked: the next page is what follows it.
  package var position: Int64
  /// Whether the log ended there.
  package var isEnd: Bool
  /// For each tenant that has lost transitions with its jobs, the highest number of those, where it lies in this page or after
  /// it. Whoever had read up to a lower number has missed them.
  package var removed: [UUID: Int64]

  package init(
    events: [LoggedEvent], position: Int64, isEnd: Bool, removed: [UUID: Int64] = [:]
  ) {
    self.events = events
    self.position = position
    self.isEnd = isEnd
    self.removed = removed
  }
}
