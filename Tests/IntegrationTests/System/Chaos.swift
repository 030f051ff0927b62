import Foundation
import Jobs
import Synchronization
import TestSupport
import Testing

/// How long the chaos of everything at once goes on, and with which numbers.
///
/// `WARREN_CHAOS_SECONDS` is its time: 45 s, unless set. `WARREN_CHAOS_KILLS` is how often each kind of process is killed by itself: 50 times,
/// the broker 8 times, since each start of it takes seconds. `WARREN_CHAOS_SEED` repeats the disturbances of a run, in their order.
struct Chaos {
  let seed: UInt64
  let seconds: Double
  let kills: Int?

  static let current: Chaos = {
    let environment = ProcessInfo.processInfo.environment
    let chaos = Chaos(
      seed: environment["WARREN_CHAOS_SEED"].flatMap(UInt64.init) ?? .random(in: 0 ... .max),
      seconds: environment["WARREN_CHAOS_SECONDS"].flatMap(Double.init) ?? 45,
      kills: environment["WARREN_CHAOS_KILLS"].flatMap(Int.init))
    print("chaos; to repeat: WARREN_CHAOS_SEED=\(chaos.seed)")
    return chaos
  }()

  /// The numbers of one test, whichever others run.
  func generator(_ name: String) -> SeededGenerator {
    SeededGenerator(
      seed: name.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
  }

  func disturbances(_ system: WarrenSystem) -> Disturbances {
    Disturbances(
      system: system, seconds: seconds, chance: generator("everything"))
  }
}

/// What goes wrong, one thing after the other.
struct Disturbances {
  let system: WarrenSystem
  let seconds: Double
  var chance: SeededGenerator

  private enum Kind: String, CaseIterable {
    case worker, server, broker, connection, purge, delete, alarm, standstill

    /// How often, in comparison: what takes long comes seldom.
    var weight: Int {
      switch self {
      case .broker, .alarm: 1
      case .server, .delete: 2
      case .worker, .purge, .standstill: 4
      case .connection: 6
      }
    }
  }

  private static let kinds = Kind.allCases.flatMap { Array(repeating: $0, count: $0.weight) }

  mutating func run() async throws {
    let end = ContinuousClock.now + .seconds(seconds)
    var counts: [Kind: Int] = [:]
    var number = 0
    while ContinuousClock.now < end {
      // Each of them once, and then as it comes.
      let kind =
        number < Kind.allCases.count ? Kind.allCases[number] : chance.pick(Self.kinds)
      number += 1
      counts[kind, default: 0] += 1
      try await disturb(kind)
      try await Task.sleep(for: .milliseconds(chance.below(600)))
    }
    try await system.untilReady()
    print("chaos: \(counts.map { "\($0.value) × \($0.key)" }.sorted().joined(separator: ", "))")
  }

  private mutating func disturb(_ kind: Kind) async throws {
    switch kind {
    case .worker:
      // The first is never killed: its memory is watched from the beginning to the end.
      guard let number = system.livingWorkers.dropFirst().randomElement(using: &chance) else {
        return
      }
      try system.append("x worker-\(number)", to: "executions")
      try await system.killWorker(number)
      try await system.startWorker(waiting: false)
    case .server:
      try await system.server.kill9()
      try await system.restartServer()
    case .broker:
      try await system.broker.kill()
      try await Task.sleep(for: .milliseconds(chance.below(1_500)))
      try await system.broker.start()
    case .connection:
      guard case .array(let list)? = try? await system.management.get("/api/connections") else {
        return
      }
      let names = list.compactMap { connection -> String? in
        if case .string(let name) = connection.members?["name"] { name } else { nil }
      }.sorted()
      guard let name = names.randomElement(using: &chance) else { return }
      let path = name.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? name
      // It may be gone by now.
      try? await system.management.delete("/api/connections/\(path)")
    case .purge:
      let queue = chance.pick(["jobs.compute", "jobs.claims", "jobs.reports"])
      try? await system.management.delete("/api/queues/%2F/\(queue)/contents")
    case .delete:
      try? await system.management.delete("/api/queues/%2F/jobs.compute")
    case .alarm:
      try await system.broker.control("set_vm_memory_high_watermark", "0.000001")
      try await Task.sleep(for: .milliseconds(chance.below(3_000)))
      try await system.broker.control("set_vm_memory_high_watermark", "0.6")
    case .standstill:
      let victims = system.livingWorkers.map { system.worker($0) } + [system.server]
      let victim = chance.pick(victims)
      try await victim.send(SIGSTOP)
      // The longest outlast the broker's patience.
      let time = Duration.milliseconds(chance.chance(6) ? 15_000 : chance.below(3_000))
      try await Task.sleep(for: time)
      try await victim.send(SIGCONT)
    }
  }
}

/// The resident memory of a system's processes over its life.
final class MemorySamples: Sendable {
  /// By process: the name, and KiB in the order of time.
  private let samples = Mutex<[pid_t: (name: String, sizes: [Int])]>([:])
  /// How often: each sample is a look into `/proc`.
  private static let pause = Duration.seconds(1)
  /// What a process may have in the worst case.
  private static let most = 300 << 10
  /// How much the median may grow from the second quarter of a process's life to its last, in KiB.
  private static let growth = 24 << 10

  /// Until it is cancelled.
  func watch(_ system: WarrenSystem) async throws {
    while !Task.isCancelled {
      await sample("server", system.server)
      for number in system.livingWorkers {
        await sample("worker-\(number)", system.worker(number))
      }
      try? await Task.sleep(for: Self.pause)
    }
  }

  private func sample(_ name: String, _ process: ChildProcess) async {
    guard let pid = try? await process.pid(),
      let text = try? String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8),
      let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) }), pages > 0
    else { return }
    samples.withLock { $0[pid, default: (name, [])].sizes.append(pages * Int(getpagesize()) >> 10) }
  }

  func check() {
    let all = samples.withLock(\.self)
    for (name, sizes) in all.values {
      let most = sizes.max() ?? 0
      #expect(most < Self.most, "\(name) had \(most) KiB")
      // Who lives a minute has come to rest.
      guard sizes.count >= 60 else { continue }
      let early = Self.median(sizes[(sizes.count / 4)..<(sizes.count / 2)])
      let late = Self.median(sizes[(sizes.count * 3 / 4)...])
      print("chaos: \(name) had \(early) KiB early and \(late) KiB late, \(sizes.count) s")
      #expect(late - early < Self.growth, "\(name) has grown from \(early) to \(late) KiB")
    }
  }

  private static func median(_ sizes: ArraySlice<Int>) -> Int {
    sizes.sorted()[sizes.count / 2]
  }
}
