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

    /// Frees an IOASID that nothing is bound to.
    ///
    /// - Throws: EACCES when it is in another set than the VM's, ``MachineError/ioasidInUse(_:)`` while it is bound.
    public mutating func freeIOASID(_ ioasid: HostPASID, ofVM vm: Int) throws(MachineError) {
        guard let description = ioasids.description(of: ioasid) else { throw .ioasid(.noEntry) }
        guard description.set == vms[vm].set else { throw .ioasid(.accessDenied) }
        guard description.data == nil else { throw .ioasidInUse(ioasid) }
        release(ioasid, in: description.set)
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
        let change: IOASIDBindingChange
        do {
            var events = IOASIDEventQueue()
            change = try ioasids.beginAttach(ioasid, spid: guestPASID, events: &events)
        } catch {
            preconditionFailure("an idle IOASID takes a guest PASID that is not taken: \(error)")
        }
        let token = insert(
            Binding(
                ioasid: ioasid, set: set, owner: .virtualMachine(vm), guestPASID: guestPASID, translation: translation,
                isIOASIDOwned: wanted == nil, devices: 1 << UInt64(device), state: .preparing(change)))
        return .prepared(token, ioasid)
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
                devices: 1 << UInt64(device), state: .preparing(nil)))
        return .prepared(token, ioasid)
    }

    /// Stores a new binding; the IOMMU driver's reference to the IOASID is taken here.
    private mutating func insert(_ binding: Binding) -> BindingToken {
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

    private mutating func setEntry(of binding: Binding, device: Int) -> Bool {
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
    /// - Throws: ``MachineError/outOfFrames``; the binding is still prepared, and ``abandonBinding(_:)`` ends it.
    public mutating func publishBinding(_ token: BindingToken) throws(MachineError) {
        let index = token.index
        if let device = bindings[index].arrivingDevice {
            try publishExtension(index, to: device)
            return
        }
        let binding = bindings[index]
        guard case .preparing(let change) = binding.state else { preconditionFailure("a binding is published once") }
        let device = binding.devices.trailingZeroBitCount
        guard setEntry(of: binding, device: device) else { throw .outOfFrames }
        switch binding.owner {
        case .process(let process):
            processes[process].pasid = binding.ioasid
            processes[process].translatedPASID = binding.ioasid
        case .virtualMachine(let vm):
            guard let guestPASID = binding.guestPASID, let change else {
                preconditionFailure("a guest's binding has a guest PASID")
            }
            do {
                try vms[vm].translations.map(guestPASID, to: binding.ioasid)
            } catch {
                clearEntry(device: device, pasid: binding.ioasid)
                throw .outOfFrames
            }
            do {
                // KVM's reference, one per installed mapping (virtualization §4.4).
                try ioasids.get(binding.ioasid)
                try ioasids.commitAttach(change)
            } catch {
                preconditionFailure("nobody frees an IOASID that is being bound: \(error)")
            }
        }
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
        guard case .preparing(let change) = binding.state else { preconditionFailure("only a prepared binding") }
        if let change { ioasids.abortAttach(change) }
        if case .process(let process) = binding.owner { processes[process].boundDevices = 0 }
        dropReference(of: binding)
    }

    /// The IOMMU driver's reference and the private data go; so does the IOASID unless the client allocated it.
    mutating func dropReference(of binding: Binding) {
        do { try ioasids.detachData(from: binding.ioasid) } catch {
            preconditionFailure("a binding's IOASID carries its index: \(error)")
        }
        ioasids.put(binding.ioasid)
        if binding.isIOASIDOwned { release(binding.ioasid, in: binding.set) }
    }
}
