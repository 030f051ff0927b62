import Testing
import WarrenTesting
