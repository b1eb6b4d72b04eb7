internal import DSA
internal import IOMMU
public import PCIe
internal import Virtualization

extension Machine {
    /// Begins to unbind a guest PASID of a VM from a device, or from all: the processor's translation goes first, then
    /// the descriptors drain, then the IOMMU entry goes (virtualization §5.7), then
    /// ``MachineEffect/unbindDrained(_:)``.
    public mutating func beginUnbind(
        ofGuest guestPASID: GuestPASID, inVM vm: Int, device: Int?
    ) throws(MachineError) -> UnbindingStart {
        let set = vms[vm].set
        guard let ioasid = ioasids.find(spid: guestPASID, in: set) else {
            throw ioasids.isTaken(spid: guestPASID, in: set) ? .bindingInProgress : .notBound
        }
        return try beginUnbind(of: ioasid, device: device)
    }

    /// Begins to unbind a process from a device, or from all.
    public mutating func beginUnbind(ofProcess process: Int, device: Int?) throws(MachineError) -> UnbindingStart {
        guard let ioasid = processes[process].pasid else {
            if processes[process].boundDevices != 0 { throw .bindingInProgress }
            throw .notBound
        }
        return try beginUnbind(of: ioasid, device: device)
    }

    private mutating func beginUnbind(of ioasid: HostPASID, device: Int?) throws(MachineError) -> UnbindingStart {
        guard let index = bindingIndex(of: ioasid) else { throw .notBound }
        guard bindings[index].state == .bound, bindings[index].arrivingDevice == nil,
            bindings[index].departingDevice == nil
        else { throw .bindingInProgress }
        guard bindings[index].dedicatedQueueCount == 0 else { throw .ioasidInUse(ioasid) }
        let token = BindingToken(index: index)
        if let device {
            guard bindings[index].devices >> UInt64(device) & 1 == 1 else { throw .notBound }
            if bindings[index].devices != 1 << UInt64(device) {
                bindings[index].departingDevice = device
                if invalidationSteps.contains(.pageRequests) {
                    refusePageRequests { $0.device == device && $0.request.pasid == ioasid }
                }
                drain(.pasid(ioasid), onDevice: device, purpose: .unbind(token))
                return .departing(token, ioasid)
            }
        }
        var change: IOASIDBindingChange?
        switch bindings[index].owner {
        case .process(let process):
            processes[process].pasid = nil
            // The kernel leaves a stale MSR to die with the address space; here it is cleared in every thread, which
            // may fault and be loaded again after the next bind.
            for thread in processes[process].threads {
                processors[thread].core.ia32PASID = .invalid
                processors[thread].core.isPASIDActivated = false
            }
        case .virtualMachine(let vm):
            do {
                var events = IOASIDEventQueue()
                let detached = try ioasids.beginDetach(ioasid, events: &events)
                vms[vm].translations.unmap(detached.spid)
                change = detached
            } catch {
                preconditionFailure("a bound guest PASID can be detached: \(error)")
            }
            // KVM's reference.
            ioasids.put(ioasid)
        }
        bindings[index].state = .draining(change)
        // The drain would wait for descriptors that wait for an owner who is leaving (virtualization §6.6, step 5).
        if invalidationSteps.contains(.pageRequests) {
            refusePageRequests { $0.request.pasid == ioasid }
        }
        drain(.pasid(ioasid), purpose: .unbind(token))
        return .unbinding(token, ioasid)
    }

    /// The PASID's descriptors are gone: takes its interrupt entries and the IOMMU entries away and tells the driver.
    mutating func finishUnbindDrain(_ token: BindingToken) {
        let index = token.index
        let ioasid = bindings[index].ioasid
        revokeInterrupts(ofBinding: index, onDevice: bindings[index].departingDevice)
        if let device = bindings[index].departingDevice {
            clearEntry(device: device, pasid: ioasid)
            bindings[index].devices &= ~(1 << UInt64(device))
            if case .process(let process) = bindings[index].owner {
                processes[process].boundDevices = bindings[index].devices
            }
        } else {
            guard case .draining(let change) = bindings[index].state else {
                preconditionFailure("only a draining binding has drained")
            }
            for device in 0..<64 where bindings[index].devices >> UInt64(device) & 1 == 1 {
                clearEntry(device: device, pasid: ioasid)
            }
            if case .process(let process) = bindings[index].owner { processes[process].translatedPASID = nil }
            bindings[index].state = .drained(change)
        }
        effects.append(.unbindDrained(token))
    }

    /// Ends an unbind whose record is durable: the guest PASID can be bound again, and the IOASID is reclaimed unless
    /// the client allocated it. For a departing device it ends the departure.
    public mutating func completeUnbind(_ token: BindingToken) {
        if bindings[token.index].departingDevice != nil {
            bindings[token.index].departingDevice = nil
            return
        }
        let binding = bindings.remove(token.index)
        guard case .drained(let change) = binding.state else { preconditionFailure("only a drained binding") }
        if let change { ioasids.finishDetach(change) }
        if case .process(let process) = binding.owner { processes[process].boundDevices = 0 }
        dropReference(of: binding)
    }

    /// What is known of a binding that has not ended.
    public func describe(_ token: BindingToken) -> BindingDescription {
        let binding = bindings[token.index]
        return BindingDescription(
            ioasid: binding.ioasid, set: binding.set, owner: binding.owner, guestPASID: binding.guestPASID,
            devices: binding.devices, isIOASIDOwned: binding.isIOASIDOwned, departingDevice: binding.departingDevice)
    }

    /// The binding of an IOASID, if it has one.
    public func describeBinding(of ioasid: HostPASID) -> BindingDescription? {
        bindingIndex(of: ioasid).map { describe(BindingToken(index: $0)) }
    }

    /// Whether any binding of an address space exists, in whatever state.
    public func hasBinding(_ space: AddressSpaceIndex) -> Bool {
        switch space {
        case .process(let index):
            return processes[index].boundDevices != 0
        case .virtualMachine(let index):
            var found = false
            ioasids.forEachMember(of: vms[index].set) { if bindingIndex(of: $0) != nil { found = true } }
            return found
        }
    }

    /// The IOASIDs of a VM's set, and whether each is bound.
    public func ioasidsOfVM(_ index: Int) -> [(ioasid: HostPASID, guestPASID: GuestPASID?)] {
        var members: [(ioasid: HostPASID, guestPASID: GuestPASID?)] = []
        ioasids.forEachMember(of: vms[index].set) { ioasid in
            members.append((ioasid, bindingIndex(of: ioasid).flatMap { bindings[$0].guestPASID }))
        }
        return members
    }
}
