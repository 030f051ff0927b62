import Jobs
import Logging
import ServiceLifecycle

/// Reads what is added to the transition log, once for all who read it at its end.
///
/// Under load it waits a moment after each read, so that the next one finds many: a reader is told so much later at most.
struct EventTail: Service {
  static let interval = Duration.milliseconds(20)

  let feed: EventFeed
  let store: any JobStore
  let clock: any ServerClock
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        await feed.news.wait(atMost: nil, clock: clock)
        do {
          while try await feed.catchUp(from: store), !Task.isCancelled {}
          try await clock.sleep(for: Self.interval)
        } catch let error as StoreError {
          log.count(\.storeFailures)
          log.burst(.error, "events cannot be read now", ["error": "\(error)"])
          guard (try? await clock.sleep(for: .seconds(1))) != nil else { return }
          feed.news.raise()
        } catch {
          return
        }
      }
    }
  }
}
