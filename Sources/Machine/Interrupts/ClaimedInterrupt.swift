internal import DSA
public import DSASpec
public import PCIe
internal import Virtualization

/// An entry of a device's interrupt tables that the host set up for the descriptors of one bound PASID.
public struct ClaimedInterrupt: Hashable, Sendable {
    /// The device's index.
    public let device: Int
    /// The entry.
    public let vector: InterruptVector
    /// What descriptors name it by.
    public let handle: UInt16
    /// Whose descriptors may interrupt through it.
    public let ioasid: HostPASID
}

extension Machine {
    /// Sets an unused entry of a device up for the descriptors of a process (dsa-device 6.7). It lasts until
    /// ``releaseInterrupt(_:)``, or until ``MachineEffect/interruptRevoked(_:)`` tells that the PASID was unbound from
    /// the device or the device took its handles back.
    public mutating func claimInterrupt(
        in table: Portal.InterruptTable, ofDevice device: Int, forProcess process: Int
    ) throws(MachineError) -> ClaimedInterrupt {
        guard let ioasid = processes[process].pasid else {
            if processes[process].boundDevices != 0 { throw .bindingInProgress }
            throw .notBound
        }
        return try claimInterrupt(in: table, ofDevice: device, for: ioasid)
    }

    /// The same for a guest process of a VM.
    public mutating func claimInterrupt(
        in table: Portal.InterruptTable, ofDevice device: Int, forGuest guestPASID: GuestPASID, inVM vm: Int
    ) throws(MachineError) -> ClaimedInterrupt {
        let set = vms[vm].set
        guard let ioasid = ioasids.find(spid: guestPASID, in: set) else {
            throw ioasids.isTaken(spid: guestPASID, in: set) ? .bindingInProgress : .notBound
        }
        return try claimInterrupt(in: table, ofDevice: device, for: ioasid)
    }

    private mutating func claimInterrupt(
        in table: Portal.InterruptTable, ofDevice device: Int, for ioasid: HostPASID
    ) throws(MachineError) -> ClaimedInterrupt {
        guard devices.contains(device) else { throw .unknownDevice(device) }
        guard let index = bindingIndex(of: ioasid) else { throw .notBound }
        guard bindings[index].state == .bound, bindings[index].departingDevice == nil else { throw .bindingInProgress }
        guard bindings[index].devices >> UInt64(device) & 1 == 1 else { throw .notBound }
        guard let entry = devices[device].claimInterrupt(in: table, for: ioasid) else { throw .noInterrupt }
        let claim = ClaimedInterrupt(device: device, vector: entry.vector, handle: entry.handle, ioasid: ioasid)
        bindings[index].interrupts.append(claim)
        return claim
    }

    /// Takes an entry back. Descriptors that name it from now on end with 0x19, those in progress interrupt nobody.
    /// Nothing happens when it was revoked already.
    public mutating func releaseInterrupt(_ claim: ClaimedInterrupt) {
        guard let index = bindingIndex(of: claim.ioasid),
            let position = bindings[index].interrupts.firstIndex(of: claim)
        else { return }
        bindings[index].interrupts.remove(at: position)
        devices[claim.device].releaseInterrupt(claim.vector, handle: claim.handle)
    }

    /// Takes the entries of a binding back, on one device or on all.
    mutating func revokeInterrupts(ofBinding index: Int, onDevice device: Int? = nil) {
        guard !bindings[index].interrupts.isEmpty else { return }
        for claim in bindings[index].interrupts where device == nil || device == claim.device {
            devices[claim.device].releaseInterrupt(claim.vector, handle: claim.handle)
            effects.append(.interruptRevoked(claim))
        }
        bindings[index].interrupts.removeAll { device == nil || device == $0.device }
    }

    /// A device's handles are void: takes the entries of every binding back.
    mutating func revokeInterrupts(ofDevice device: Int) {
        for index in bindings.indices where bindings.contains(index) {
            revokeInterrupts(ofBinding: index, onDevice: device)
        }
    }
}
