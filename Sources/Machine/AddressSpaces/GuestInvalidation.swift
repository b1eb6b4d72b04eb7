internal import IOMMU
public import PCIe
internal import Virtualization

/// Which translations a guest invalidates after it has changed its page tables: the granularities of a guest's own
/// IOMMU driver (virtualization §6.6).
public enum GuestInvalidation: Hashable, Sendable {
    /// Those under every guest PASID of the VM.
    case all
    /// Those under one guest PASID.
    case guestPASID(GuestPASID)
    /// Those under one guest PASID that `byteCount` bytes from an address touch.
    case pages(GuestPASID, LinearAddress, byteCount: UInt64)
}

extension Machine {
    /// Invalidates translations that went through a guest's own page tables. A window on a thread may still use them
    /// until ``whenWindowsReturn(token:)`` answers.
    ///
    /// There is no counterpart for processes: the host writes their tables, and invalidates when it does.
    ///
    /// - Throws: ``MachineError/notBound`` for a guest PASID that is not; a change of its tables needs no invalidation.
    public mutating func invalidate(_ invalidation: GuestInvalidation, ofVM vm: Int) throws(MachineError) {
        let domain = domain(ofVM: vm)
        switch invalidation {
        case .all:
            invalidateTranslations(ofVM: vm)
        case .guestPASID(let guestPASID):
            let bound = try bound(guestPASID, inVM: vm)
            invalidateTranslations(of: bound.ioasid, in: domain, devices: bound.devices)
        case .pages(let guestPASID, let address, let byteCount):
            let bound = try bound(guestPASID, inVM: vm)
            invalidatePages(
                .pasidTLBPages(domain, bound.ioasid, address, byteCount: byteCount), of: bound.ioasid, at: address,
                byteCount: byteCount, devices: bound.devices)
        }
    }

    private func bound(_ guestPASID: GuestPASID, inVM vm: Int) throws(MachineError) -> Binding {
        guard let ioasid = ioasids.find(spid: guestPASID, in: vms[vm].set), let index = bindingIndex(of: ioasid) else {
            throw .notBound
        }
        return bindings[index]
    }
}
