internal import DSA
internal import IOMMU
internal import PCIe
public import Virtualization

/// What one kind of subscriber does when a PASID is unbound or freed (virtualization §5.7).
public enum EndingStage: UInt8, Hashable, Sendable, BitwiseCopyable {
    /// KVM, under a rendezvous, removes the guest PASID from the VM's table; of a process, the kernel clears its
    /// threads' IA32_PASID. From then on nobody submits with the PASID.
    case processors
    /// Every device drains the PASID's descriptors.
    case devices
    /// The IOMMU driver clears the PASID's entries and invalidates what is cached of them.
    case iommu
}

/// The end of a binding under way.
struct Ending: Hashable, Sendable {
    /// What was announced; `nil` of a process, whose end is no event of a set.
    let event: IOASIDEvent?
    /// The detachment that is to be finished; `nil` after a free, which ended the attachment by itself.
    let detachment: IOASIDBindingChange?
    /// In the order of the chains.
    let stages: [EndingStage]
    /// How many stages have begun.
    var begunCount = 0
    /// The driver performs each stage itself, with ``Machine/perform(_:of:)``.
    let isStepped: Bool
    /// No descriptor of the PASID is left in any device.
    var isDrained = false
}

extension Machine {
    /// Whom an event calls, as stages, in order. The IOMMU driver hears of FREE through the global chain; of UNBIND it
    /// is the author, and takes its part at its rank.
    func stages(for event: IOASIDEvent) -> [EndingStage] {
        var stages: [EndingStage] = []
        for subscriber in ioasids.notification(for: event) {
            switch subscriber.kind {
            case .cpu: stages.append(.processors)
            case .device: if !stages.contains(.devices) { stages.append(.devices) }
            case .iommu: stages.append(.iommu)
            case .last: break
            }
        }
        guard event.kind == .unbind else { return stages }
        let place =
            ioasids.order == .deviceBeforeIOMMU
            ? stages.endIndex : stages.firstIndex(of: .devices) ?? stages.endIndex
        stages.insert(.iommu, at: place)
        return stages
    }

    /// The end of a process's binding calls no chain: its threads first, then in the order of the machine.
    var stagesOfProcess: [EndingStage] {
        ioasids.order == .deviceBeforeIOMMU ? [.processors, .devices, .iommu] : [.processors, .iommu, .devices]
    }

    /// The VDCM of a device hears of the events of a VM's set from the first binding to the device on.
    mutating func registerDevice(_ device: Int, ofVM vm: Int) {
        guard vms[vm].subscribedDevices >> UInt64(device) & 1 == 0 else { return }
        vms[vm].subscribedDevices |= 1 << UInt64(device)
        subscribe(IOASIDSubscriber(.device, instance: UInt32(device)), to: vms[vm].set)
    }

    mutating func subscribe(_ subscriber: IOASIDSubscriber, to set: IOASIDSetID) {
        do { try ioasids.register(subscriber, on: set) } catch {
            preconditionFailure("a subscriber registers once on a set that lives: \(error)")
        }
    }

    /// Goes through the stages of an ending until it has to wait for descriptors, or to its end.
    mutating func advance(_ token: BindingToken) {
        while let ending = bindings[token.index].ending, ending.begunCount < ending.stages.count {
            let stage = ending.stages[ending.begunCount]
            bindings[token.index].ending?.begunCount += 1
            perform(stage, of: token)
            // The end of the drain goes on from here; it may have come already.
            if stage == .devices { return }
        }
        conclude(token)
    }

    /// Carries out one stage of an ending. The driver that steps one itself calls this in the order of
    /// ``stages(of:)``, and for the processors of a VM ``removeTranslation(of:announcedBy:)`` under a rendezvous of its
    /// own.
    public mutating func perform(_ stage: EndingStage, of token: BindingToken) {
        let binding = bindings[token.index]
        switch stage {
        case .processors:
            switch binding.owner {
            case .process(let process):
                takePASID(fromProcess: process)
            case .virtualMachine(let vm):
                guard let event = binding.ending?.event, hasTranslation(binding, inVM: vm) else { return }
                editTranslations(ofVM: vm, edits: 1) { machine in
                    machine.removeTranslation(of: token, announcedBy: event)
                }
            }
        case .devices:
            // The drain would wait for descriptors that wait for an owner who is leaving (virtualization §6.6, step 5).
            if invalidationSteps.contains(.pageRequests) {
                refusePageRequests { $0.request.pasid == binding.ioasid }
            }
            drain(.pasid(binding.ioasid), purpose: .unbind(token))
        case .iommu:
            for device in 0..<64 where binding.devices >> UInt64(device) & 1 == 1 {
                clearEntry(device: device, pasid: binding.ioasid)
            }
            if case .process(let process) = binding.owner { processes[process].translatedPASID = nil }
        }
    }

    /// KVM's handler of UNBIND and FREE, while no vCPU of the VM is in non-root mode: removes the guest PASID that the
    /// event carries, and drops the reference that went with the mapping. An event that carries none names nothing to
    /// remove.
    public mutating func removeTranslation(of token: BindingToken, announcedBy event: IOASIDEvent) {
        guard case .virtualMachine(let vm) = bindings[token.index].owner else { return }
        if bindings[token.index].ioasid == vms[vm].defaultPASID { removeDefaultMapping(inVM: vm) }
        guard bindings[token.index].isTranslated, let guestPASID = event.spid else { return }
        vms[vm].translations.unmap(guestPASID)
        bindings[token.index].isTranslated = false
        ioasids.put(bindings[token.index].ioasid)
    }

    /// Whether the VM's table has an entry that leads to the binding's host PASID.
    func hasTranslation(_ binding: Binding, inVM vm: Int) -> Bool {
        binding.isTranslated || binding.ioasid == vms[vm].defaultPASID
    }

    /// The kernel leaves a stale MSR to die with the address space; here it is cleared in every thread, which may fault
    /// and be loaded again after the next bind.
    private mutating func takePASID(fromProcess process: Int) {
        processes[process].pasid = nil
        for thread in processes[process].threads {
            processors[thread].core.ia32PASID = .invalid
            processors[thread].core.isPASIDActivated = false
        }
    }

    /// Every stage is over: takes the interrupt entries of the PASID back and tells the driver.
    mutating func conclude(_ token: BindingToken) {
        guard bindings[token.index].state == .ending else { return }
        revokeInterrupts(ofBinding: token.index)
        bindings[token.index].state = .ended
        effects.append(.unbindDrained(token))
    }

    /// The PASID's descriptors are gone, or those of the device that departs.
    mutating func finishUnbindDrain(_ token: BindingToken) {
        let index = token.index
        guard let device = bindings[index].departingDevice else {
            bindings[index].ending?.isDrained = true
            if bindings[index].ending?.isStepped == false { advance(token) }
            return
        }
        revokeInterrupts(ofBinding: index, onDevice: device)
        clearEntry(device: device, pasid: bindings[index].ioasid)
        bindings[index].devices &= ~(1 << UInt64(device))
        if case .process(let process) = bindings[index].owner {
            processes[process].boundDevices = bindings[index].devices
        }
        effects.append(.unbindDrained(token))
    }
}
