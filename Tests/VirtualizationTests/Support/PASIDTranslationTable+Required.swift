import IOMMU
import Virtualization

/// No frames for a table that the test needs.
struct NoTable: Error {}

/// An empty table. `#require` cannot hand on a value that is not copyable.
func makeTable(in memory: PhysicalMemory) throws -> PASIDTranslationTable {
    guard let table = PASIDTranslationTable(memory: memory) else { throw NoTable() }
    return table
}
