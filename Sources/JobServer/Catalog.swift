import Jobs
import Synchronization

/// The queues, groups and job types that the server knows: from its own configuration, from workers that announced them,
/// and from the store, which remembers both over a restart.
final class Catalog: Sendable {
  private struct State {
    var queues: [JobQueueName: JobQueue] = [:]
    var groups: [String: JobGroup] = [:]
    var types: [JobTypeID: JobTypeDescription] = [:]
  }

  private let state: Mutex<State>
  private let store: any JobStore

  /// Loads what the store remembers, and adds what the server's own configuration declares.
  init(store: any JobStore, registry: JobRegistry) async throws(StoreError) {
    self.store = store
    let stored = try await store.catalog()
    var state = State()
    for queue in stored.queues { state.queues[queue.name] = queue }
    for group in stored.groups { state.groups[group.name] = group }
    for type in stored.types { state.types[type.id] = type }
    self.state = Mutex(state)
    try await add(
      queues: Array(registry.queues.values), groups: Array(registry.groups.values),
      types: registry.types.values.map(\.description))
  }

  /// Adds what is new or has changed.
  ///
  /// - Returns: the queues that were not known before, which the broker has to be told of.
  @discardableResult
  func add(
    queues: [JobQueue], groups: [JobGroup], types: [JobTypeDescription]
  ) async throws(StoreError) -> [JobQueueName] {
    let news = state.withLock { state in
      (
        // A worker's capacity is its own; the queue keeps the one that was declared for it first.
        queues: queues.filter { state.queues[$0.name] == nil },
        groups: groups.filter { state.groups[$0.name] != $0 },
        types: types.filter { state.types[$0.id] != $0 }
      )
    }
    if !news.queues.isEmpty || !news.groups.isEmpty || !news.types.isEmpty {
      try await store.save(groups: news.groups, types: news.types, queues: news.queues)
    }
    // Known once it is stored: what fails to be is new again when it is announced again.
    state.withLock { state in
      for queue in news.queues { state.queues[queue.name] = queue }
      for group in news.groups { state.groups[group.name] = group }
      for type in news.types { state.types[type.id] = type }
    }
    return news.queues.map(\.name)
  }

  /// A type, and the queue of its group.
  func type(_ id: JobTypeID) -> (description: JobTypeDescription, queue: JobQueueName)? {
    state.withLock { state in
      guard let description = state.types[id], let group = state.groups[id.group] else {
        return nil
      }
      return (description, group.queue)
    }
  }

  var queues: [JobQueue] {
    state.withLock { $0.queues.values.sorted { $0.name < $1.name } }
  }

  var groups: [JobGroup] {
    state.withLock { $0.groups.values.sorted { $0.name < $1.name } }
  }

  var types: [JobTypeDescription] {
    state.withLock { $0.types.values.sorted { $0.id < $1.id } }
  }
}
