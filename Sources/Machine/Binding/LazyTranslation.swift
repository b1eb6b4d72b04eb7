internal import DSA
internal import IOMMU
public import PCIe
internal import Virtualization

// Policy B (virtualization §4.5): mappings come with the first exit 72 or 73 that needs them.
extension Machine {
    /// Sets or clears what the vIOMMU's PASID table of a VM says of a guest PASID: the guest's IOMMU driver writes it,
    /// and policy B looks it up.
    public mutating func setGuestEntry(_ stage: GuestStage?, of guestPASID: GuestPASID, inVM vm: Int) {
        vms[vm].guestEntries[guestPASID] = stage
    }

    /// Makes the mapping that a vCPU outside needs: for a guest PASID with an entry in the vIOMMU a binding to every
    /// device that the VM has a portal of, for any other the VM's default host PASID, which gives access to guest
    /// physical addresses.
    ///
    /// - Throws: What the IOASID core, the IOMMU or the translation table refuses; nothing has changed.
    mutating func translateLazily(_ guestPASID: GuestPASID, inVM vm: Int) throws(MachineError) {
        let devices = portalDevices(ofVM: vm)
        guard let first = devices.first else { throw .notBound }
        guard let stage = vms[vm].guestEntries[guestPASID] else {
            try mapToDefault(guestPASID, inVM: vm, devices: devices)
            return
        }
        for device in devices {
            let start: BindingStart
            do throws(MachineError) {
                start = try prepareBinding(ofGuest: guestPASID, inVM: vm, device: device, ioasid: nil, stage: stage)
            } catch {
                // A further device that finds no room is bound by the next exit of its own.
                if device == first { throw error } else { return }
            }
            try publish(start)
        }
    }

    private mutating func publish(_ start: BindingStart) throws(MachineError) {
        let token: BindingToken
        switch start {
        case .prepared(let prepared, _), .extending(let prepared, _): token = prepared
        }
        do throws(MachineError) { try publishBinding(token) } catch {
            abandonBinding(token)
            throw error
        }
    }

    /// The devices of which a VM has a portal, each once.
    private func portalDevices(ofVM vm: Int) -> [Int] {
        var devices: [Int] = []
        for mapping in vms[vm].map.mappings {
            if case .portal(let device, _) = mapping.content, !devices.contains(device) { devices.append(device) }
        }
        return devices
    }

    private mutating func mapToDefault(
        _ guestPASID: GuestPASID, inVM vm: Int, devices: [Int]
    ) throws(MachineError) {
        let ioasid = try defaultPASID(ofVM: vm, devices: devices)
        try editTranslations(ofVM: vm, edits: 1) { machine throws(MachineError) in
            do throws(PASIDMappingError) { try machine.vms[vm].translations.map(guestPASID, to: ioasid) } catch {
                switch error {
                case .outOfFrames: throw .outOfFrames
                case .alreadyMapped: throw .bindingInProgress
                }
            }
            machine.takeReference(of: ioasid)
            machine.vms[vm].defaultMapped.insert(guestPASID)
        }
    }

    /// The VM's default host PASID: guest physical addresses on every device of `devices` (virtualization §6.2).
    private mutating func defaultPASID(ofVM vm: Int, devices: [Int]) throws(MachineError) -> HostPASID {
        if let present = vms[vm].defaultPASID { return present }
        let ioasid = try allocateIOASID(forVM: vm)
        var binding = Binding(
            ioasid: ioasid, set: vms[vm].set, owner: .virtualMachine(vm), guestPASID: nil,
            translation: vms[vm].table.translation, isIOASIDOwned: true, devices: 0)
        for device in devices {
            guard setEntry(of: binding, device: device) else {
                for done in devices where binding.devices >> UInt64(done) & 1 == 1 {
                    clearEntry(device: done, pasid: ioasid)
                }
                release(ioasid, in: binding.set)
                throw .outOfFrames
            }
            binding.devices |= 1 << UInt64(device)
            registerDevice(device, ofVM: vm)
        }
        binding.state = .bound
        _ = insert(binding)
        vms[vm].defaultPASID = ioasid
        return ioasid
    }

    /// Ends the default mapping of a guest PASID, which gets one of its own, or of all; while no vCPU of the VM is in
    /// non-root mode.
    mutating func removeDefaultMapping(of guestPASID: GuestPASID? = nil, inVM vm: Int) {
        guard let ioasid = vms[vm].defaultPASID else { return }
        for mapped in vms[vm].defaultMapped where guestPASID == nil || guestPASID == mapped {
            vms[vm].translations.unmap(mapped)
            vms[vm].defaultMapped.remove(mapped)
            ioasids.put(ioasid)
        }
        if guestPASID == nil { vms[vm].defaultPASID = nil }
    }

    private mutating func takeReference(of ioasid: HostPASID) {
        do { try ioasids.get(ioasid) } catch {
            preconditionFailure("a default host PASID is allocated while its VM refers to it: \(error)")
        }
    }
}
