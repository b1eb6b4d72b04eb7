internal import DSA
internal import IOMMU
public import PCIe
internal import Virtualization

extension Machine {
    /// The domain of host processes in the IOMMU.
    static let hostDomain = DomainID(rawValue: 0)

    /// The IOMMU domain of a VM.
    func domain(ofVM index: Int) -> DomainID { DomainID(rawValue: UInt16(truncatingIfNeeded: index + 1)) }

    /// Allocates an IOASID in a VM's set, or the host's when `vm` is `nil`.
    ///
    /// - Throws: ENOSPC at the set's quota.
    public mutating func allocateIOASID(forVM vm: Int?) throws(MachineError) -> HostPASID {
        let set = vm.map { vms[$0].set } ?? hostSet
        return try allocateIOASID(in: set)
    }

    private mutating func allocateIOASID(in set: IOASIDSetID) throws(MachineError) -> HostPASID {
        var events = IOASIDEventQueue()
        guard let ioasid = ioasids.allocate(in: set, events: &events) else { throw .ioasid(.noSpace) }
        return ioasid
    }

    /// Drops the owner's reference: the machine holds no other by then, so the IOASID is reclaimed.
    mutating func release(_ ioasid: HostPASID, in set: IOASIDSetID) {
        var events = IOASIDEventQueue()
        let outcome = ioasids.free(ioasid, in: set, events: &events)
        precondition(outcome == .reclaimed, "an IOASID is freed after its users have put it")
    }

    /// Begins to bind a guest PASID of a VM to a device: allocates the host PASID unless `ioasid` names one of the VM's
    /// set, and announces it to the IOASID core. Nothing can be submitted or translated before
    /// ``publishBinding(_:)``.
    public mutating func prepareBinding(
        ofGuest guestPASID: GuestPASID, inVM vm: Int, device: Int, ioasid wanted: HostPASID?, stage: GuestStage
    ) throws(MachineError) -> BindingStart {
        guard devices.contains(device) else { throw .unknownDevice(device) }
        let set = vms[vm].set
        let translation: AddressSpaceTranslation
        switch stage {
        case .secondStageOnly:
            translation = vms[vm].table.translation
        case .nested(let firstLevel, let levels):
            guard firstLevel.rawValue % pageByteCount == 0 else { throw .misalignedTable }
            translation = vms[vm].table.nested(firstStage: firstLevel, levels: levels)
        }
        if let bound = ioasids.find(spid: guestPASID, in: set) {
            guard wanted == nil || wanted == bound else { throw .guestPASIDInUse(guestPASID) }
            guard let index = bindingIndex(of: bound), bindings[index].translation == translation else {
                throw .differentStage(guestPASID)
            }
            return .extending(try prepareExtension(of: bound, to: device), bound)
        }
        guard !ioasids.isTaken(spid: guestPASID, in: set) else { throw .bindingInProgress }
        let ioasid: HostPASID
        if let wanted {
            guard let description = ioasids.description(of: wanted) else { throw .ioasid(.noEntry) }
            guard description.set == set else { throw .ioasid(.accessDenied) }
            guard description.data == nil, description.state == .idle else { throw .ioasidInUse(wanted) }
            ioasid = wanted
        } else {
            ioasid = try allocateIOASID(in: set)
        }
        var binding = Binding(
            ioasid: ioasid, set: set, owner: .virtualMachine(vm), guestPASID: guestPASID, translation: translation,
            isIOASIDOwned: wanted == nil, devices: 1 << UInt64(device))
        var events = IOASIDEventQueue()
        do {
            let change = try ioasids.beginAttach(ioasid, spid: guestPASID, events: &events)
            // Its subscribers are called when the binding is published: the row of the history comes first.
            binding.attachment = events.popFirst().map { Attachment(change: change, event: $0) }
        } catch {
            preconditionFailure("an idle IOASID takes a guest PASID that is not taken: \(error)")
        }
        return .prepared(insert(binding), ioasid)
    }

    /// Begins to bind a process to a device (SVA): allocates its host PASID. Nothing can be submitted or translated
    /// before ``publishBinding(_:)``.
    public mutating func prepareBinding(
        ofProcess process: Int, device: Int
    ) throws(MachineError) -> BindingStart {
        guard devices.contains(device) else { throw .unknownDevice(device) }
        if let bound = processes[process].pasid {
            return .extending(try prepareExtension(of: bound, to: device), bound)
        }
        guard processes[process].boundDevices == 0 else { throw .bindingInProgress }
        let ioasid = try allocateIOASID(in: hostSet)
        processes[process].boundDevices = 1 << UInt64(device)
        let token = insert(
            Binding(
                ioasid: ioasid, set: hostSet, owner: .process(process), guestPASID: nil,
                translation: processes[process].translation, isIOASIDOwned: true,
                devices: 1 << UInt64(device)))
        return .prepared(token, ioasid)
    }

    /// Stores a new binding; the IOMMU driver's reference to the IOASID is taken here.
    mutating func insert(_ binding: Binding) -> BindingToken {
        let ioasid = binding.ioasid
        let index = bindings.insert(binding)
        do {
            try ioasids.get(ioasid)
            try ioasids.attachData(UInt64(index), to: ioasid)
        } catch {
            preconditionFailure("an idle IOASID takes a reference and data: \(error)")
        }
        return BindingToken(index: index)
    }

    /// Begins to bind a PASID that is bound to a further device.
    private mutating func prepareExtension(
        of ioasid: HostPASID, to device: Int
    ) throws(MachineError) -> BindingToken {
        guard let index = bindingIndex(of: ioasid), bindings[index].state == .bound,
            bindings[index].arrivingDevice == nil, bindings[index].departingDevice == nil
        else { throw .bindingInProgress }
        guard bindings[index].devices >> UInt64(device) & 1 == 0 else { throw .alreadyBound }
        bindings[index].arrivingDevice = device
        return BindingToken(index: index)
    }

    /// Gives a bound PASID an entry for the device that arrives.
    private mutating func publishExtension(_ index: Int, to device: Int) throws(MachineError) {
        guard setEntry(of: bindings[index], device: device) else { throw .outOfFrames }
        bindings[index].arrivingDevice = nil
        bindings[index].devices |= 1 << UInt64(device)
        if case .process(let process) = bindings[index].owner { processes[process].boundDevices |= 1 << UInt64(device) }
    }

    mutating func setEntry(of binding: Binding, device: Int) -> Bool {
        let domain: DomainID =
            switch binding.owner {
            case .process: Self.hostDomain
            case .virtualMachine(let vm): domain(ofVM: vm)
            }
        // Host processes may be served at both privileges; a guest's requests are user requests unless it says PRIV.
        return iommu.setEntry(
            requester: devices[device].requester, pasid: binding.ioasid, translation: binding.translation,
            domain: domain, options: [.writeProtect, .supervisorRequests])
    }

    func bindingIndex(of ioasid: HostPASID) -> Int? {
        ioasids.description(of: ioasid)?.data.map { Int($0) }
    }

    /// Puts a prepared binding into force: the IOMMU entry first, then what lets a processor emit the PASID
    /// (virtualization §1.1, P7). Of a further device, the entry.
    ///
    /// - Throws: ``MachineError/outOfFrames``, ``MachineError/bindingInProgress`` while the guest PASID's former
    ///   translation has not gone, ENOENT when the IOASID was freed meanwhile. The binding is still prepared, with
    ///   nothing in force, and ``abandonBinding(_:)`` ends it (I-16).
    public mutating func publishBinding(_ token: BindingToken) throws(MachineError) {
        let index = token.index
        if let device = bindings[index].arrivingDevice {
            try publishExtension(index, to: device)
            return
        }
        try publishEntry(token)
        guard case .virtualMachine(let vm) = bindings[index].owner else {
            publishProcess(index)
            return
        }
        do throws(MachineError) {
            // What a handler of BIND reports is the result of the attachment: the kernel's core ignores it, and the
            // guest would believe in a mapping that does not exist (virtualization §5.6).
            if bindReachesHypervisor(token) {
                try editTranslations(ofVM: vm, edits: 1) { machine throws(MachineError) in
                    try machine.publishTranslation(token)
                }
            }
            try commitAttachment(token)
        } catch {
            retractEntry(token)
            throw error
        }
    }

    /// The first part of publishing: the IOMMU driver's entry, before anybody can emit the PASID.
    ///
    /// - Throws: ``MachineError/outOfFrames``, or ENOENT when the IOASID was freed; nothing has changed.
    public mutating func publishEntry(_ token: BindingToken) throws(MachineError) {
        let binding = bindings[token.index]
        precondition(binding.state == .preparing, "a binding is published once")
        guard !binding.isFreed else { throw .ioasid(.noEntry) }
        let device = binding.devices.trailingZeroBitCount
        guard setEntry(of: binding, device: device) else { throw .outOfFrames }
        if case .virtualMachine(let vm) = binding.owner { registerDevice(device, ofVM: vm) }
    }

    /// Whether BIND of a prepared binding reaches a CPU subscriber, which installs the translation.
    public func bindReachesHypervisor(_ token: BindingToken) -> Bool {
        guard let event = bindings[token.index].attachment?.event else { return false }
        for subscriber in ioasids.notification(for: event) where subscriber.kind == .cpu { return true }
        return false
    }

    /// The hypervisor's part of publishing, while no vCPU of the VM is in non-root mode: the entry of the translation
    /// table, and a reference for it.
    ///
    /// - Throws: ``MachineError/outOfFrames`` or ``MachineError/bindingInProgress``; nothing has changed.
    public mutating func publishTranslation(_ token: BindingToken) throws(MachineError) {
        let binding = bindings[token.index]
        guard case .virtualMachine(let vm) = binding.owner, let guestPASID = binding.guestPASID else {
            preconditionFailure("a guest's binding has a guest PASID")
        }
        // Policy B may have made it stand for the default host PASID before.
        if vms[vm].defaultMapped.contains(guestPASID) { removeDefaultMapping(of: guestPASID, inVM: vm) }
        do throws(PASIDMappingError) {
            try vms[vm].translations.map(guestPASID, to: binding.ioasid)
        } catch {
            switch error {
            case .outOfFrames: throw .outOfFrames
            case .alreadyMapped: throw .bindingInProgress
            }
        }
        do {
            // KVM's reference, one per installed mapping (virtualization §4.4).
            try ioasids.get(binding.ioasid)
        } catch {
            vms[vm].translations.unmap(guestPASID)
            throw .ioasid(error)
        }
        bindings[token.index].isTranslated = true
    }

    /// The last part of publishing a guest's binding: its guest PASID can be found.
    ///
    /// - Throws: ENOENT when the IOASID was freed meanwhile.
    public mutating func commitAttachment(_ token: BindingToken) throws(MachineError) {
        guard let attachment = bindings[token.index].attachment else {
            preconditionFailure("a guest's binding has an attachment")
        }
        do { try ioasids.commitAttach(attachment.change) } catch { throw .ioasid(error) }
        bindings[token.index].attachment = nil
        bindings[token.index].state = .bound
    }

    /// Takes the entry of a binding back that nobody could emit.
    public mutating func retractEntry(_ token: BindingToken) {
        let binding = bindings[token.index]
        let device = binding.devices.trailingZeroBitCount
        clearEntry(device: device, pasid: binding.ioasid)
    }

    private mutating func publishProcess(_ index: Int) {
        guard case .process(let process) = bindings[index].owner else { return }
        processes[process].pasid = bindings[index].ioasid
        processes[process].translatedPASID = bindings[index].ioasid
        bindings[index].state = .bound
    }

    /// Takes a prepared binding back. The IOASID goes with it if it was allocated for it. A further device that was
    /// prepared does not arrive, and the binding stays.
    public mutating func abandonBinding(_ token: BindingToken) {
        guard bindings[token.index].arrivingDevice == nil else {
            bindings[token.index].arrivingDevice = nil
            return
        }
        let binding = bindings.remove(token.index)
        precondition(binding.state == .preparing, "only a prepared binding")
        if let attachment = binding.attachment { ioasids.abortAttach(attachment.change) }
        if case .process(let process) = binding.owner { processes[process].boundDevices = 0 }
        dropReference(of: binding)
    }

    /// The IOMMU driver's reference and the private data go; so does the IOASID unless the client allocated it and has
    /// not freed it.
    mutating func dropReference(of binding: Binding) {
        do { try ioasids.detachData(from: binding.ioasid) } catch {
            preconditionFailure("a binding's IOASID carries its index: \(error)")
        }
        ioasids.put(binding.ioasid)
        if binding.isIOASIDOwned, !binding.isFreed { release(binding.ioasid, in: binding.set) }
    }
}
