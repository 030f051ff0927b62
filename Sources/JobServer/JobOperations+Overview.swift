package import Jobs

extension JobOperations {
  /// The job types that are known, by id.
  package var types: [JobTypeDescription] { catalog.types }

  /// The job groups that are known, by name.
  package var groups: [JobGroup] { catalog.groups }

  /// Every known job queue, by name, with what waits and runs in it.
  package func queues() async throws(JobOperationError) -> [QueueStatus] {
    try await queues(seenBy: .nobody)
  }

  /// The queues that somebody sees, with what of its jobs waits and runs there; of everybody's jobs for whoever may see that.
  func queues(seenBy caller: Caller) async throws(JobOperationError) -> [QueueStatus] {
    let isOfAll = caller.seesEverything
    do {
      let counts = try await store.counts(
        tenant: isOfAll ? nil : caller.tenant, scope: caller.scope)
      let workers = await present()
      // The name of a webhook's queue is that of the webhook.
      let open = intake.webhooks.filter { $0.isOpen(to: caller.tenant) }.map(\.queue)
      let visible = catalog.queues.filter {
        caller.scope.contains($0.name)
          && (isOfAll || !$0.name.isReserved || open.contains($0.name))
      }
      return visible.map { queue in
        let own = counts.filter { $0.queue == queue.name }
        let waiting = own.filter { $0.status == .waiting }
        return QueueStatus(
          name: queue.name, capacity: queue.capacity,
          waiting: waiting.filter { !$0.isLater }.map(\.count).reduce(0, +),
          scheduled: waiting.filter(\.isLater).map(\.count).reduce(0, +),
          running: own.filter { $0.status.isHeld }.map(\.count).reduce(0, +)
            + (isOfAll ? workers.flatMap(\.settledStuck).count { $0.queue == queue.name } : 0),
          workers: workers.count { $0.queues.contains { $0.name == queue.name } })
      }
    } catch {
      throw .store(error)
    }
  }

  /// The workers that are there, by id. Each is looked for, so that one that was killed is not among them.
  package func workers() async throws(JobOperationError) -> [WorkerStatus] {
    do {
      let held = try await store.heldCounts()
      return await present().map { worker in
        WorkerStatus(
          id: worker.worker, host: worker.host, processID: worker.processID,
          startedAt: worker.startedAt, queues: worker.queues, types: worker.types.map(\.id),
          running: (held[worker.worker] ?? 0) + worker.settledStuck.count,
          outage: worker.outage, queueOutages: worker.queueOutages, stuck: worker.stuck)
      }
    } catch {
      throw .store(error)
    }
  }

  /// The announced workers whose control queue exists; where the broker does not say, they count as there.
  private func present() async -> [WorkerAnnouncement] {
    await withTaskGroup(of: (WorkerID, Bool).self) { group in
      for worker in directory.all {
        group.addTask {
          if case .gone = await control.send(.announce, to: worker.worker) {
            return (worker.worker, true)
          }
          return (worker.worker, false)
        }
      }
      for await (worker, isGone) in group where isGone { directory.remove(worker) }
    }
    return directory.all
  }
}

extension WorkerAnnouncement {
  /// What runs there, and is not among the jobs that the store counts as held.
  fileprivate var settledStuck: [StuckAttempt] { stuck?.filter(\.isSettled) ?? [] }
}
