internal import DSA
internal import IOMMU
public import PCIe
public import Virtualization

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
        begin(index, isStepped: false)
        advance(token)
        return .unbinding(token, ioasid)
    }

    /// Announces the end of a binding that is bound.
    private mutating func begin(_ index: Int, isStepped: Bool) {
        bindings[index].state = .ending
        guard case .virtualMachine = bindings[index].owner else {
            bindings[index].ending = Ending(
                event: nil, detachment: nil, stages: stagesOfProcess, isStepped: isStepped)
            return
        }
        var events = IOASIDEventQueue()
        do {
            let detachment = try ioasids.beginDetach(bindings[index].ioasid, events: &events)
            guard let event = events.popFirst() else { preconditionFailure("a detachment is announced") }
            bindings[index].ending = Ending(
                event: event, detachment: detachment, stages: stages(for: event), isStepped: isStepped)
        } catch {
            preconditionFailure("a bound guest PASID can be detached: \(error)")
        }
    }

    /// Begins to unbind every guest PASID of a VM from all devices, with one rendezvous for all of them.
    ///
    /// - Precondition: None is being bound or unbound.
    public mutating func beginUnbindAll(ofVM vm: Int) -> [UnbindingStart] {
        var starts: [UnbindingStart] = []
        var tokens: [BindingToken] = []
        ioasids.forEachMember(of: vms[vm].set) { ioasid in
            guard let index = bindingIndex(of: ioasid), bindings[index].guestPASID != nil else { return }
            precondition(bindings[index].state == .bound, "something else waits on the VM")
            tokens.append(BindingToken(index: index))
            starts.append(.unbinding(BindingToken(index: index), ioasid))
        }
        for token in tokens { begin(token.index, isStepped: false) }
        advance(tokens, ofVM: vm)
        return starts
    }

    /// Goes on with endings of one VM that have just begun: their edits share a gate period.
    private mutating func advance(_ tokens: [BindingToken], ofVM vm: Int) {
        let first = tokens.filter { bindings[$0.index].ending?.stages.first == .processors }
        for token in first { bindings[token.index].ending?.begunCount = 1 }
        let translated = first.filter { hasTranslation(bindings[$0.index], inVM: vm) }
        if !translated.isEmpty {
            editTranslations(ofVM: vm, edits: translated.count) { machine in
                for token in translated {
                    guard let event = machine.bindings[token.index].ending?.event else { continue }
                    machine.removeTranslation(of: token, announcedBy: event)
                }
            }
        }
        for token in tokens { advance(token) }
    }

    /// Ends an unbind whose record is durable: the guest PASID can be bound again, and the IOASID is reclaimed unless
    /// the client allocated it. For a departing device it ends the departure.
    public mutating func completeUnbind(_ token: BindingToken) {
        if bindings[token.index].departingDevice != nil {
            bindings[token.index].departingDevice = nil
            return
        }
        let binding = bindings.remove(token.index)
        precondition(binding.state == .ended, "only a binding that has ended")
        if let detachment = binding.ending?.detachment { ioasids.finishDetach(detachment) }
        if case .process(let process) = binding.owner { processes[process].boundDevices = 0 }
        dropReference(of: binding)
    }
}

// MARK: Free before unbind

/// What a free began.
public enum FreeStart: Hashable, Sendable {
    /// Nobody used the IOASID: it can be allocated again.
    case reclaimed
    /// It was freed before, and its users have not all gone: nothing happens, and no second event is sent (I-05).
    case alreadyPending
    /// It is bound: it is free-pending, its users clean up, and ``MachineEffect/unbindDrained(_:)`` follows.
    case ending(BindingToken)
}

extension Machine {
    /// Frees an IOASID of a VM, bound or not (virtualization §5.4, §5.7 "Abnormal"). FREE reaches the subscribers of
    /// the set and the global ones; their clean-up is that of an unbind, and the IOASID is reclaimed when
    /// ``completeUnbind(_:)`` drops the last reference.
    ///
    /// - Throws: ENOENT for one that does not exist, EACCES when it is in another set than the VM's,
    ///   ``MachineError/bindingInProgress`` while it is being bound or unbound.
    public mutating func freeIOASID(_ ioasid: HostPASID, ofVM vm: Int) throws(MachineError) -> FreeStart {
        guard let description = ioasids.description(of: ioasid) else { throw .ioasid(.noEntry) }
        guard description.set == vms[vm].set else { throw .ioasid(.accessDenied) }
        guard description.state != .freePending else { return .alreadyPending }
        guard let index = bindingIndex(of: ioasid) else {
            release(ioasid, in: description.set)
            return .reclaimed
        }
        guard bindings[index].state == .bound, bindings[index].arrivingDevice == nil,
            bindings[index].departingDevice == nil
        else { throw .bindingInProgress }
        var events = IOASIDEventQueue()
        ioasids.free(ioasid, in: description.set, events: &events)
        advance(takeFreed(&events, isStepped: false), ofVM: vm)
        return .ending(BindingToken(index: index))
    }

    /// Frees every IOASID of a VM, as the kernel does when the files of a VMM that was killed are closed: one
    /// rendezvous for all, and ``MachineEffect/unbindDrained(_:)`` for each that was bound.
    ///
    /// A binding that is prepared can no longer be published, and one that is being unbound goes on.
    ///
    /// - Returns: The bindings whose end began.
    public mutating func freeAllIOASIDs(ofVM vm: Int) -> [BindingToken] {
        var events = IOASIDEventQueue()
        do { try ioasids.freeAll(in: vms[vm].set, events: &events) } catch {
            preconditionFailure("a VM's set lives as long as the VM: \(error)")
        }
        let tokens = takeFreed(&events, isStepped: false)
        advance(tokens, ofVM: vm)
        return tokens
    }

    /// Takes FREE events in: the bindings whose end they begin.
    private mutating func takeFreed(_ events: inout IOASIDEventQueue, isStepped: Bool) -> [BindingToken] {
        var tokens: [BindingToken] = []
        while let event = events.popFirst() {
            guard let data = event.data else { continue }
            let index = Int(data)
            bindings[index].isFreed = true
            guard bindings[index].state == .bound else { continue }
            bindings[index].state = .ending
            bindings[index].ending = Ending(
                event: event, detachment: nil, stages: stages(for: event), isStepped: isStepped)
            tokens.append(BindingToken(index: index))
        }
        return tokens
    }

    /// The hypervisor of a VM ends before its PASIDs are unbound or freed: the translation table is emptied, every
    /// reference that it holds is put, and it hears of no further event (virtualization §5.7, "KVM dies first").
    ///
    /// - Precondition: The VM has no vCPUs.
    public mutating func endHypervisor(ofVM vm: Int) {
        precondition(vms[vm].vcpus.isEmpty, "a hypervisor ends after its vCPUs")
        do {
            try ioasids.unregister(IOASIDSubscriber(.cpu, instance: UInt32(vm)), from: vms[vm].set)
        } catch {
            preconditionFailure("a hypervisor ends once: \(error)")
        }
        removeDefaultMapping(inVM: vm)
        for index in bindings.indices where bindings.contains(index) {
            guard bindings[index].owner == .virtualMachine(vm), bindings[index].isTranslated,
                let guestPASID = bindings[index].guestPASID
            else { continue }
            vms[vm].translations.unmap(guestPASID)
            bindings[index].isTranslated = false
            ioasids.put(bindings[index].ioasid)
        }
    }
}

// MARK: Unbinding in steps

extension Machine {
    /// Announces the end of a guest's binding whose stages the driver performs one by one, with others between them;
    /// ``concludeUnbind(_:)`` follows the last.
    public mutating func announceUnbind(
        ofGuest guestPASID: GuestPASID, inVM vm: Int
    ) throws(MachineError) -> (token: BindingToken, event: IOASIDEvent) {
        guard let ioasid = ioasids.find(spid: guestPASID, in: vms[vm].set), let index = bindingIndex(of: ioasid) else {
            throw .notBound
        }
        guard bindings[index].state == .bound, bindings[index].arrivingDevice == nil,
            bindings[index].departingDevice == nil
        else { throw .bindingInProgress }
        begin(index, isStepped: true)
        guard let event = bindings[index].ending?.event else { preconditionFailure("a guest's end is an event") }
        return (BindingToken(index: index), event)
    }

    /// Frees an IOASID that is bound, in the same steps.
    public mutating func announceFree(
        of guestPASID: GuestPASID, inVM vm: Int
    ) throws(MachineError) -> (token: BindingToken, event: IOASIDEvent) {
        guard let ioasid = ioasids.find(spid: guestPASID, in: vms[vm].set), let index = bindingIndex(of: ioasid) else {
            throw .notBound
        }
        guard bindings[index].state == .bound, bindings[index].arrivingDevice == nil,
            bindings[index].departingDevice == nil
        else { throw .bindingInProgress }
        var events = IOASIDEventQueue()
        ioasids.free(ioasid, in: vms[vm].set, events: &events)
        guard let token = takeFreed(&events, isStepped: true).first, let event = bindings[index].ending?.event else {
            preconditionFailure("the free of a bound IOASID is an event")
        }
        return (token, event)
    }

    /// The stages of an ending, in the order in which they are to be performed.
    public func stages(of token: BindingToken) -> [EndingStage] { bindings[token.index].ending?.stages ?? [] }

    /// Whether the drain of an ending has ended on every device.
    public func isDrained(_ token: BindingToken) -> Bool { bindings[token.index].ending?.isDrained ?? false }

    /// Every stage of an ending was performed.
    public mutating func concludeUnbind(_ token: BindingToken) { conclude(token) }
}

// MARK: Queries

extension Machine {
    /// What is known of a binding that has not ended.
    public func describe(_ token: BindingToken) -> BindingDescription {
        let binding = bindings[token.index]
        return BindingDescription(
            ioasid: binding.ioasid, set: binding.set, owner: binding.owner, guestPASID: binding.guestPASID,
            devices: binding.devices, isIOASIDOwned: binding.isIOASIDOwned, isFreed: binding.isFreed,
            departingDevice: binding.departingDevice)
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
