import TestSupport
import Testing

/// The system as its users have it: processes, signals, a broker, a file. One after the other, so that each has the machine
/// to itself when it looks at the clock.
@Suite("The system", .needsBroker, .serialized, .timeLimit(.minutes(25)))
struct SystemTests {}
