internal import IOMMU
internal import PCIe
internal import Virtualization

/// A VM: its guest physical space with the second-stage table, the PASID translation table that all its vCPUs share,
/// its IOASID set, and its vCPUs.
struct VirtualMachine: ~Copyable {
    let id: VMID
    let set: IOASIDSetID
    var table: SecondStageTable
    var map: AddressMap
    var translations: PASIDTranslationTable
    /// The processors that are its vCPUs.
    var vcpus: [Int] = []
    var nextVCPU: UInt32 = 0
    /// Somebody answers page requests for its memory.
    var servesPageRequests = false
    /// The last faults of translations under its PASIDs.
    var faults = RecentElements<RecordedFault>(capacity: Machine.faultCountPerSpace)

    /// A 48-bit guest physical space.
    static let addressLimit: UInt64 = 1 << 48
    /// Where addresses chosen by the machine begin.
    static let addressFloor: UInt64 = 0x10_0000

    /// `nil` when no frames are free for the tables.
    init?(id: VMID, set: IOASIDSetID, memory: PhysicalMemory) {
        guard let table = SecondStageTable(memory: memory) else { return nil }
        guard let translations = PASIDTranslationTable(memory: memory) else { return nil }
        self.id = id
        self.set = set
        self.table = table
        self.translations = translations
        map = AddressMap(floor: Self.addressFloor, limit: Self.addressLimit)
    }
}
