internal import IOMMU
internal import PCIe
public import Virtualization

/// What a VM's hypervisor does, for the life of the VM.
public struct VMSettings: Hashable, Sendable {
    /// On exits 72 and 73.
    public var exitPolicy = ExitPolicy.eager
    /// RDMSR and WRMSR of IA32_PASID exit and are emulated, instead of being passed through.
    public var interceptsPASIDRegister = false

    /// The control "PASID translation" of every VMCS of the VM. Without it a guest's PASIDs would reach the wire, so
    /// that such a VM gets no portal (V-13).
    public var translatesPASIDs = true

    /// Policy A, IA32_PASID passed through, PASIDs translated.
    public init() {}
}

/// A VM: its guest physical space with the second-stage table, the PASID translation table that all its vCPUs share,
/// its IOASID set, and its vCPUs.
struct VirtualMachine: ~Copyable {
    let id: VMID
    let set: IOASIDSetID
    var table: SecondStageTable
    var map: AddressMap
    var translations: PASIDTranslationTable
    /// Which of its vCPUs' accesses to MSRs exit.
    let msrBitmap: MSRBitmap
    /// What its hypervisor does.
    let settings: VMSettings
    /// The vIOMMU's PASID table, as far as policy B looks into it.
    var guestEntries: [GuestPASID: GuestStage] = [:]
    /// The host PASID for guest physical addresses, once policy B has needed it.
    var defaultPASID: HostPASID?
    /// The guest PASIDs that translate to it.
    var defaultMapped: Set<GuestPASID> = []
    /// The processors that are its vCPUs.
    var vcpus: [Int] = []
    var nextVCPU: UInt32 = 0
    /// What its rendezvous have cost.
    var rendezvous = RendezvousCounters()
    /// VM entry is forbidden: its table is being edited.
    var isGateClosed = false
    /// An editor of its table is at work.
    var isTableLocked = false
    /// Bit n: the VDCM of device n hears of the events of its set.
    var subscribedDevices: UInt64 = 0
    /// Somebody answers page requests for its memory.
    var servesPageRequests = false
    /// The last faults of translations under its PASIDs.
    var faults = RecentElements<RecordedFault>(capacity: Machine.faultCountPerSpace)

    /// A 48-bit guest physical space.
    static let addressLimit: UInt64 = 1 << 48
    /// Where addresses chosen by the machine begin.
    static let addressFloor: UInt64 = 0x10_0000

    /// `nil` when no frames are free for the tables.
    init?(id: VMID, set: IOASIDSetID, settings: VMSettings, memory: PhysicalMemory) {
        guard let table = SecondStageTable(memory: memory) else { return nil }
        guard let translations = PASIDTranslationTable(memory: memory) else { return nil }
        guard let msrBitmap = MSRBitmap(memory: memory) else { return nil }
        if !settings.interceptsPASIDRegister { msrBitmap.intercept(IA32PASID.address, false) }
        self.msrBitmap = msrBitmap
        self.settings = settings
        self.id = id
        self.set = set
        self.table = table
        self.translations = translations
        map = AddressMap(floor: Self.addressFloor, limit: Self.addressLimit)
    }
}
