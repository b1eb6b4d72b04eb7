internal import DSA
public import IOMMU
public import PCIe
public import Virtualization

/// An address space by its number, which is no other's as long as the machine lives.
public enum AddressSpaceID: Hashable, Sendable {
    case process(ProcessID)
    case virtualMachine(VMID)
}

/// A fault that the IOMMU recorded, and whose it is.
///
/// It is told whose a PASID is when the fault happens: later the PASID may be another's.
public struct RecordedFault: Sendable {
    /// Its number, from 1 in the order of recording.
    public let number: UInt64
    /// The index of the device whose request was blocked; `nil` when the requester is none of the machine's.
    public let device: Int?
    /// The process or VM whose address space was meant; `nil` when the PASID was nobody's.
    public let owner: AddressSpaceID?
    /// What the guest calls the PASID; `nil` for a process.
    public let guestPASID: GuestPASID?
    /// What the IOMMU recorded. Its PASID is the host's: not for a guest to see.
    public let record: FaultRecord
}

extension Machine {
    /// How many faults are kept of each address space, so that none can hide another's.
    public static let faultCountPerSpace = 32
    /// How many faults are kept of all address spaces together.
    public static let faultCountOfAll = 256

    /// The last faults of an address space, oldest first; of all, those of nobody included, when `space` is `nil`.
    public func faults(of space: AddressSpaceIndex?) -> [RecordedFault] {
        switch space {
        case .process(let index): processes[index].faults.elements
        case .virtualMachine(let index): vms[index].faults.elements
        case nil: recordedFaults.elements
        }
    }

    /// Takes over what the IOMMU has recorded since the last call.
    @inline(__always)
    mutating func collectFaults() {
        if iommu.faults.totalCount != seenFaultCount { takeFaults() }
    }

    private mutating func takeFaults() {
        let total = iommu.faults.totalCount
        let records = iommu.faults.last(total - seenFaultCount)
        var number = total - UInt64(records.count)
        for record in records {
            number += 1
            let binding = record.pasid.flatMap { bindingIndex(of: $0) }.map { bindings[$0] }
            let fault = RecordedFault(
                number: number, device: deviceIndex(of: record.requester), owner: (binding?.owner).map { id(of: $0) },
                guestPASID: binding?.guestPASID, record: record)
            recordedFaults.append(fault)
            switch binding?.owner {
            case .process(let index): processes[index].faults.append(fault)
            case .virtualMachine(let index): vms[index].faults.append(fault)
            case nil: break
            }
        }
        seenFaultCount = total
    }

    private func id(of space: AddressSpaceIndex) -> AddressSpaceID {
        switch space {
        case .process(let index): .process(processes[index].id)
        case .virtualMachine(let index): .virtualMachine(vms[index].id)
        }
    }
}
