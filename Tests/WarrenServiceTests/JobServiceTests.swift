import Testing
import Warren
