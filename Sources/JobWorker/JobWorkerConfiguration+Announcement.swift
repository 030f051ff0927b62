import Foundation
import Jobs

extension JobWorkerConfiguration {
  /// What the worker says of itself: of what it could run, that which its queues bring.
  var announcement: WorkerAnnouncement {
    let names = Set(queues.map(\.name))
    let groups = registry.groups.values.filter { names.contains($0.queue) }
    let types = registry.types.values.filter { names.contains($0.group.queue) }
    return WorkerAnnouncement(
      worker: id, host: ProcessInfo.processInfo.hostName,
      processID: ProcessInfo.processInfo.processIdentifier, startedAt: .now,
      queues: queues.sorted { $0.name < $1.name },
      groups: groups.sorted { $0.name < $1.name },
      types: types.map(\.description).sorted { $0.id < $1.id })
  }

  var execution: ExecutionSettings {
    ExecutionSettings(
      progressInterval: max(.milliseconds(1), progressInterval), grace: max(.zero, grace),
      stuckLimit: stuckLimit > .zero ? stuckLimit : nil,
      limits: OutcomeLimits(result: max(0, maxResultBytes)))
  }
}
