import Foundation
import Synchronization

/// What a process takes of the machine, as the kernel tells it.
struct ProcessUsage: Sendable, Hashable {
  /// Resident memory, in bytes.
  let resident: Int
  /// Of user and system, in seconds, since it started.
  let processorTime: Double

  init(resident: Int, processorTime: Double) {
    self.resident = resident
    self.processorTime = processorTime
  }

  /// `nil` when there is no such process.
  init?(of processID: Int32) {
    guard let status = try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8),
      let stat = try? String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8)
    else { return nil }
    self.init(status: status, stat: stat, ticks: sysconf(Int32(_SC_CLK_TCK)))
  }

  /// Reads `/proc/…/status` and `/proc/…/stat` (proc(5)).
  init?(status: String, stat: String, ticks: Int) {
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
      let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({
        Int($0)
      }),
      // The name, in parentheses, may hold anything.
      let name = stat.lastIndex(of: ")")
    else { return nil }
    let fields = stat[stat.index(after: name)...].split(separator: " ")
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
      return nil
    }
    resident = kilobytes * 1024
    processorTime = (user + system) / Double(max(1, ticks))
  }
}

/// Looks once a second at what some processes take.
final class UsageWatch: Sendable {
  /// What one process took while it was looked at.
  struct Usage: Sendable, Hashable {
    var first: ProcessUsage
    var last: ProcessUsage
    var mostResident: Int

    init(_ usage: ProcessUsage) {
      first = usage
      last = usage
      mostResident = usage.resident
    }

    mutating func add(_ usage: ProcessUsage) {
      last = usage
      mostResident = max(mostResident, usage.resident)
    }
  }

  static let interval = Duration.seconds(1)
  private let programs: @Sendable () -> [ChildProgram]
  private let usages = Mutex<[(processID: Int32, role: String, usage: Usage)]>([])

  /// - Parameter programs: those that are to be looked at; there may be more of them later.
  init(_ programs: @escaping @Sendable () -> [ChildProgram]) {
    self.programs = programs
  }

  /// Runs `body` and looks meanwhile.
  static func during<Value: Sendable>(
    _ programs: @escaping @Sendable () -> [ChildProgram],
    _ body: @escaping @Sendable () async throws -> Value
  ) async throws -> (value: Value, usages: [(role: String, usage: Usage)]) {
    let watch = UsageWatch(programs)
    watch.look(isFirst: true)
    let value = try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        while !Task.isCancelled {
          try? await Task.sleep(for: interval)
          watch.look()
        }
        return nil
      }
      defer { group.cancelAll() }
      while let next = try await group.next() {
        if let value = next { return value }
      }
      throw CancellationError()
    }
    watch.look()
    return (value, watch.usages.withLock { $0.map { ($0.role, $0.usage) } })
  }

  /// A process that was not there at the first look has started since.
  private func look(isFirst: Bool = false) {
    for program in programs() {
      guard let usage = ProcessUsage(of: program.processID) else { continue }
      usages.withLock { usages in
        if let index = usages.firstIndex(where: { $0.processID == program.processID }) {
          usages[index].usage.add(usage)
        } else {
          var new = Usage(usage)
          if !isFirst { new.first = ProcessUsage(resident: usage.resident, processorTime: 0) }
          usages.append((program.processID, program.role, new))
        }
      }
    }
  }
}
