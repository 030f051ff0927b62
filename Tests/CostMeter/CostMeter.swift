import Foundation

/// Measures what a job costs, in figures that no clock disturbs, and prints them as JSON. `CostTests` holds them against
/// their limits; by hand: `swift run CostMeter`.
///
/// It is a program of its own because it counts all memory that its process asks for.
@main
struct CostMeter {
  static func main() async throws {
    #if DEBUG
      var figures: [String: Double] = [:]
      try await StoreCost.measure(into: &figures)
      try await WorkerCost.measure(into: &figures)
      try CodingCost.measure(into: &figures)
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      print(String(decoding: try encoder.encode(figures), as: UTF8.self))
    #else
      // It looks into modules that only debug builds open, and its limits are those of debug builds.
      print("CostMeter measures debug builds only")
      exit(2)
    #endif
  }
}
