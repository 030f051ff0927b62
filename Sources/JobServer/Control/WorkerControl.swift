import AMQP
import JobTransport
import Jobs
import Logging
import ServiceLifecycle

/// Sends commands to one worker through its exclusive queue, which lasts as long as the worker's connection.
struct WorkerControl: Sendable {
  /// What became of a command.
  enum Delivery: Sendable {
    case delivered
    /// The queue does not exist: the worker is gone.
    case gone
    /// The broker did not say.
    case unknown
  }

  /// What a worker says of an attempt.
  enum Possession: Sendable {
    /// It runs it, or is about to.
    case running
    /// It has reported how it ended, and can do so again.
    case reported
    /// It is there, and knows nothing of it.
    case missing
    /// The worker is gone.
    case gone
    /// It did not answer in time.
    case unanswered
  }

  let connection: any MessageBroker
  let names: TransportNames
  /// The queue through which workers answer.
  let answers: String
  let patience: Duration
  let presence: Presence

  func send(_ command: ControlCommand, to worker: WorkerID) async -> Delivery {
    guard let publication = publication(command, to: worker) else { return .unknown }
    let generation = await connection.generation
    switch await connection.publish(publication, timeout: patience) {
    case .confirmed:
      presence.saw(worker, on: generation)
      return .delivered
    case .returned:
      return await isGone(worker) ? .gone : .unknown
    default:
      return .unknown
    }
  }

  /// Whether a command that came back proves that the worker is gone.
  private func isGone(_ worker: WorkerID) async -> Bool {
    presence.isGone(worker, on: await connection.generation)
  }

  /// Asks every worker that is there to announce itself.
  func callTheRoll() async {
    guard let publication = publication(.announce, to: nil) else { return }
    _ = await connection.publish(publication, timeout: patience)
  }

  /// Has every worker subscribe to a queue anew.
  func renew(_ queue: JobQueueName) async {
    guard let publication = publication(.renew(queue), to: nil) else { return }
    _ = await connection.publish(publication, timeout: patience)
  }

  /// Asks a worker what it knows of attempts; answers each, in their order. That its queue exists is not enough: the broker
  /// ends a connection's deliveries a moment before it deletes the connection's queues.
  ///
  /// Asked again soon at first: a question that is laid into a queue on its way out is answered by nobody.
  func possession(
    of attempts: [RunningAttempt], by worker: WorkerID
  ) async -> [Possession] {
    for part in [0.05, 0.1, 0.2, 0.65] {
      if let answer = await possession(of: attempts, by: worker, within: patience * part) {
        return answer
      }
      guard !Task.isCancelled else { break }
    }
    return attempts.map { _ in .unanswered }
  }

  /// - Returns: an answer for each attempt; `nil` when none came in time.
  private func possession(
    of attempts: [RunningAttempt], by worker: WorkerID, within limit: Duration
  ) async -> [Possession]? {
    guard let publication = question(.confirm(attempts), to: worker) else { return nil }
    let generation = await connection.generation
    do {
      let reply = try await connection.request(publication, timeout: limit)
      presence.saw(worker, on: generation)
      guard case .attempts(let states) = try WireCoding.reply(reply),
        states.count == attempts.count
      else { return nil }
      return states.map(Possession.init)
    } catch AMQPError.returned {
      return await isGone(worker) ? attempts.map { _ in .gone } : nil
    } catch {
      return nil
    }
  }

  /// What became of a callback.
  enum Call: Sendable {
    case done
    case failed(String)
    /// The worker is gone, or has no such callback: it was not called.
    case notCalled
    /// The worker did not answer: it is not known whether it was called.
    case unknown
  }

  /// Has a worker call a callback.
  ///
  /// - Parameter limit: how long to wait for it; longer than the worker waits.
  func call(
    _ callback: JobCallback, _ assignment: JobAssignment, by worker: WorkerID, limit: Duration
  ) async -> Call {
    guard let publication = question(.call(callback, assignment), to: worker) else {
      return .failed("the job cannot be written as JSON")
    }
    do {
      let reply = try await connection.request(publication, timeout: limit)
      return switch try WireCoding.reply(reply) {
      case .done: .done
      case .failed(let message): .failed(message)
      case .unknownCallback: .notCalled
      case .attempts: .unknown
      }
    } catch AMQPError.returned {
      return .notCalled
    } catch {
      return .unknown
    }
  }

  private func question(_ command: ControlCommand, to worker: WorkerID) -> Publication? {
    var publication = publication(command, to: worker)
    publication?.message.properties.replyTo = answers
    return publication
  }

  /// - Parameter worker: all that are there when it is `nil`. What is for one goes straight to its queue: no other worker can
  ///   listen, as it could by a binding to an exchange.
  private func publication(_ command: ControlCommand, to worker: WorkerID?) -> Publication? {
    guard var message = try? WireCoding.message(command) else { return nil }
    // A worker that reads it later than this was out of reach, and is asked or told again.
    message.properties.expiration = String(max(1, patience.milliseconds))
    guard let worker else {
      return Publication(message, exchange: names.control, routingKey: names.everyWorker)
    }
    return Publication(message, exchange: "", routingKey: names.worker(worker), mandatory: true)
  }
}

extension WorkerControl.Possession {
  fileprivate init(_ state: AttemptState) {
    switch state {
    case .running: self = .running
    case .reported: self = .reported
    case .unknown: self = .missing
    }
  }
}

/// Tells workers what only the server knows: that there is something for one that was told to park, and that an attempt is
/// no longer locked by another job.
struct WorkerNotices: Service {
  let parked: ParkedWorkers
  let releases: AsyncStream<ChangeHub.Release>
  let store: any JobStore
  let control: WorkerControl
  let commands: PeerTasks<WorkerID>
  let log: ServerLog

  func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        group.addTask {
          for await wakeUp in parked.wakeUps {
            submit(to: wakeUp.worker) { await wake(wakeUp) }
          }
        }
        group.addTask {
          for await release in releases {
            let attempt = release.attempt
            submit(to: release.worker) {
              _ = await control.send(
                .released(job: attempt.job, attempt: attempt.attempt), to: release.worker)
            }
          }
        }
      }
    }
  }

  private func submit(to worker: WorkerID, _ work: @escaping @Sendable () async -> Void) {
    if !commands.submit(to: worker, work) { log.count(\.droppedCommands) }
  }

  private func wake(_ wakeUp: ParkedWorkers.WakeUp) async {
    guard await control.send(.wake(wakeUp.queue), to: wakeUp.worker) != .delivered else { return }
    // The jobs are somebody else's then, if there is somebody.
    do {
      parked.wake(for: try await store.due().filter { $0.queue == wakeUp.queue })
    } catch {
      log.count(\.storeFailures)
      log.burst(.warning, "nobody else could be woken", ["error": "\(error)"])
    }
  }
}

/// What became of a callback.
enum CallbackOutcome: Sendable {
  case done
  /// The callback's error.
  case failed(String)
  /// There is no worker to call it in.
  case nobody
  /// A worker was asked, and did not answer in time.
  case noAnswer
}

/// Calls the callbacks of job types.
protocol CallbackCalling: Sendable {
  /// - Parameter holder: the one worker that may be asked, because it has the job; any worker of the type when it is `nil`.
  func call(_ callback: JobCallback, for job: Job, in holder: WorkerID?) async -> CallbackOutcome
}

extension CallbackCalling {
  func call(_ callback: JobCallback, for job: Job) async -> CallbackOutcome {
    await call(callback, for: job, in: nil)
  }
}

/// Has callbacks called where their code is: in a worker that is alive.
struct CallbackCaller: CallbackCalling {
  let directory: WorkerDirectory
  let control: WorkerControl
  /// How long to wait for a worker's answer.
  let limit: Duration
  let logger: Logger

  func call(_ callback: JobCallback, for job: Job, in holder: WorkerID?) async -> CallbackOutcome {
    let workers = holder.map { [$0] } ?? directory.workers(of: job.type, with: callback)
    for worker in workers {
      switch await control.call(callback, job.assignment, by: worker, limit: limit) {
      case .done: return .done
      case .failed(let message): return .failed(message)
      case .unknown: return .noAnswer
      case .notCalled:
        logger.notice(
          "a worker did not call a callback, as it is gone or has none",
          metadata: ["worker": "\(worker)", "callback": "\(callback)", "job": "\(job.id)"])
      }
    }
    return .nobody
  }
}
