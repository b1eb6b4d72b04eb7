internal import Machine
internal import PCIe
internal import Platform

/// A process or a VM as its clients know it: its number, its owner, its memory.
final class ClientSpace {
    /// Where the machine keeps it.
    let index: AddressSpaceIndex
    /// The number clients use: the process's or the VM's.
    let number: UInt32
    let owner: ClientIdentity
    /// The connection whose end is the end of a VM; a process ends with its last thread.
    let creator: Session.ID
    let name: String
    /// On its way out: nothing new is attached, bound or mapped.
    var isDying = false
    /// Memory by its first address.
    var regions: [UInt64: MemoryRegion] = [:]
    /// Portal pages mapped.
    var portalCount = 0
    /// Interrupt entries requested.
    var interruptCount = 0
    /// Commands that wait for something of this space.
    var pendingCount = 0
    /// Its opens and closes of device nodes, in their order.
    var files = FileQueue()
    /// By device, where it has files.
    var fileBindings: [Int: FileBinding] = [:]
    /// The program whose memory a process uses; `nil` where memory is hosted or shared.
    var reached: ReachedProcess?
    /// The connections that answer page requests for its memory.
    var pageServers: Set<Session.ID> = []

    init(index: AddressSpaceIndex, number: UInt32, owner: ClientIdentity, creator: Session.ID, name: String) {
        self.index = index
        self.number = number
        self.owner = owner
        self.creator = creator
        self.name = name
    }

    var isVM: Bool {
        if case .virtualMachine = index { true } else { false }
    }

    /// The VM's place in the machine.
    var vmIndex: Int? {
        if case .virtualMachine(let vm) = index { vm } else { nil }
    }

    /// The process's place in the machine.
    var processIndex: Int? {
        if case .process(let process) = index { process } else { nil }
    }
}

/// Memory of a client, mapped into the daemon and lent to the machine.
final class MemoryRegion {
    enum Kind {
        case hosted
        case shared
    }

    let kind: Kind
    let mapping: MemoryMapping
    let region: HostPhysicalAddress
    /// Whose quota it counts against.
    let account: MemoryAccount
    /// What may be done with its pages; `nil` when they differ.
    var access: MemoryAccess?

    init(
        kind: Kind, mapping: consuming MemoryMapping, region: HostPhysicalAddress, account: MemoryAccount,
        access: MemoryAccess
    ) {
        self.kind = kind
        byteCount = UInt64(mapping.byteCount)
        self.mapping = mapping
        self.region = region
        self.account = account
        self.access = access
    }

    let byteCount: UInt64
}

/// The bytes that one client has mapped.
final class MemoryAccount {
    var byteCount: UInt64 = 0
}
