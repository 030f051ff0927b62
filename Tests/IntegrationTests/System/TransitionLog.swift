import Foundation
import Jobs
import TestSupport

/// What is needed to read a store's file without Warren.
enum StoreReading {
  /// The names of the statuses, by their codes; the last one waits for later.
  static let statuses = """
    initializing waiting resuming running canceling suspending locked suspended skipped canceled \
    failed timeout completed waiting
    """
}

/// What the store's log of transitions says of each job, read from the file itself.
struct TransitionLog {
  let steps: [String: [String]]

  init(_ system: WarrenSystem) async throws {
    let program = """
      import sqlite3, sys, uuid
      store = sqlite3.connect(sys.argv[1])
      names = "\(StoreReading.statuses)".split()
      for job, before, after in store.execute(
          "SELECT job.id, from_status, to_status FROM event JOIN job ON job.number = event.job"
          " ORDER BY sequence"):
          print(uuid.UUID(bytes=job), "None" if before is None else names[before], names[after])
      """
    let output = try await Tool.run(
      "/usr/bin/python3", ["-c", program, system.store.path])
    var steps: [String: [String]] = [:]
    for line in output.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      steps[words[0], default: []].append("\(words[1]) \(words[2])")
    }
    self.steps = steps
  }

  /// What is wrong with it: steps that do not follow each other, or that the state machine does not have, or more or less
  /// than one final status.
  var faults: [String] {
    steps.flatMap { job, steps -> [String] in
      var faults: [String] = []
      var current = "None"
      for step in steps {
        let (from, to) = (step.split(separator: " ")[0], step.split(separator: " ")[1])
        if from != current { faults.append("\(job): \(step) after \(current)") }
        if let before = JobStatus(rawValue: String(from)),
          let after = JobStatus(rawValue: String(to)), !before.successors.contains(after)
        {
          faults.append("\(job): \(step) is no transition")
        }
        current = String(to)
      }
      if JobStatus(rawValue: current)?.isFinal != true { faults.append("\(job) ends \(current)") }
      return faults
    }
  }
}
