internal import IOMMU
internal import PCIe
internal import Virtualization

/// A process of the host: an address space, the page table the kernel keeps for it, and its threads.
struct HostProcess: ~Copyable {
    let id: ProcessID
    var table: FirstStageTable
    var map: AddressMap
    /// The PASID of the address space while any device is bound (SVA); the same for every thread and device.
    var pasid: HostPASID?
    /// The PASID whose IOMMU entries lead to ``table``: ``pasid``, and after it is taken away until its descriptors are
    /// gone.
    var translatedPASID: HostPASID?
    /// Bit n: device n is bound.
    var boundDevices: UInt64 = 0
    /// The processors that are its threads.
    var threads: [Int] = []
    var nextThread: UInt32 = 0
    /// Somebody answers page requests for its memory.
    var servesPageRequests = false
    /// The last faults of translations under its PASIDs.
    var faults = RecentElements<RecordedFault>(capacity: Machine.faultCountPerSpace)
    /// Its memory is reached by the driver: devices have no translation of it, and ``table`` leads to portals alone.
    let hasForeignMemory: Bool

    /// What devices find behind its PASID.
    var translation: AddressSpaceTranslation { hasForeignMemory ? .foreign : table.translation }

    /// User addresses of 4-level paging: the lower canonical half.
    static let addressLimit: UInt64 = 1 << 47
    /// Where addresses chosen by the machine begin.
    static let addressFloor: UInt64 = 0x1000_0000

    /// `nil` when no frame is free for the page table.
    init?(id: ProcessID, hasForeignMemory: Bool, memory: PhysicalMemory) {
        guard let table = FirstStageTable(memory: memory) else { return nil }
        self.id = id
        self.hasForeignMemory = hasForeignMemory
        self.table = table
        map = AddressMap(floor: Self.addressFloor, limit: Self.addressLimit)
    }
}
