import Foundation
import HTTPTypes
import Jobs

/// The body of `POST /jobs/batch`: an array of what `POST /jobs` takes.
struct BatchBody {
  static let sizes = 1...1000

  /// Each entry by itself.
  let entries: [Result<ScheduleBody, APIProblem>]

  init(entries: [Result<ScheduleBody, APIProblem>]) {
    self.entries = entries
  }

  /// - Throws: ``APIProblem`` when the bytes are no JSON, no array, or too many entries.
  init(parsing bytes: some Collection<UInt8>, knownTypes: [JobTypeID]) throws(APIProblem) {
    let bytes = Data(bytes)
    guard !bytes.isEmpty else {
      throw .emptyBody(#"a JSON array of jobs, as in [{"type": "group:name", "params": {}}]"#)
    }
    let value: JSONValue
    do {
      // Each entry may be nested as deeply as a body.
      value = try JSONValue(parsing: bytes, maxDepth: JSONValue.maxDepth + 1)
    } catch {
      throw APIProblem(.invalidJSON, "the body must be a JSON array of jobs: \(error)")
    }
    guard case .array(let elements) = value else {
      throw APIProblem(
        .invalidBody, "the body must be a JSON array of jobs, not \(value.kind.shown)")
    }
    guard Self.sizes.contains(elements.count) else {
      throw APIProblem(
        .invalidBody,
        "a batch has \(Self.sizes.lowerBound) to \(Self.sizes.upperBound) jobs, not"
          + " \(elements.count)")
    }
    let repetitions = Dictionary(
      JSONRepetition.all(in: bytes.span).map { ($0.element, $0) },
      uniquingKeysWith: { one, _ in one })
    entries = elements.enumerated().map { index, element in
      Result { () throws(APIProblem) in
        if let repetition = repetitions[index] { throw APIProblem(.invalidBody, repetition.fault) }
        return try ScheduleBody(element, knownTypes: knownTypes)
      }
    }
  }
}

extension JobOperations {
  /// Accepts or refuses each entry by itself; all that are good are stored in one transaction.
  ///
  /// - Throws: ``ScheduleError/store(_:)`` when the store takes none of them.
  func schedule(
    _ batch: BatchBody, by caller: Caller, _ headers: HTTPFields
  ) async throws(ScheduleError) -> BatchResults {
    let good = batch.entries.compactMap { try? $0.get().submission(by: caller, headers) }
    let all = await schedule(good)
    if let first = all.first, case .failure(.store(let error)) = first,
      all.allSatisfy(\.isNotStored)
    {
      throw .store(error)
    }
    var outcomes = all.makeIterator()
    var results: [BatchResult] = []
    for entry in batch.entries {
      switch entry {
      case .failure(let refusal): results.append(BatchResult(refusal.problem))
      case .success:
        switch outcomes.next() ?? .failure(.store(.failed("there is no answer for every job"))) {
        case .success(let scheduled):
          results.append(BatchResult(scheduled.job, isNew: scheduled.isNew))
        case .failure(let error):
          results.append(BatchResult(APIProblem(error, toldTo: caller).problem))
        }
      }
    }
    return BatchResults(results)
  }
}

extension Result<ScheduledJob, ScheduleError> {
  /// Whether the store did not take it, through no fault of the job's.
  fileprivate var isNotStored: Bool {
    switch self {
    case .failure(.store(.unfit)): false
    case .failure(.store): true
    default: false
    }
  }
}
