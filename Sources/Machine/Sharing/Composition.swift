internal import DSA
internal import DSASpec
internal import IOMMU
public import PCIe
internal import Virtualization

// The Virtual Device Composition Module: it gives VMs shares of a device. The VM's own path to the device is one page,
// the limited portal of the WQ (virtualization §8.5).
extension Machine {
    /// Composes a virtual device for a VM and maps its portal.
    ///
    /// A dedicated WQ is taken out of those that are configured and not enabled; its WQCFG gets the host PASID of
    /// `guestPASID`, and it is enabled. Of the shared WQs that are enabled the one with the fewest interfaces is taken;
    /// nothing is programmed.
    ///
    /// - Parameter guestPASID: Whose address space a dedicated WQ works in: bound to the device. Ignored for a shared
    ///   one, where each descriptor says it.
    public mutating func composeInterface(
        _ type: InterfaceType, onDevice device: Int, forVM vm: Int, guestPASID: GuestPASID
    ) throws(SharingRefusal) -> InterfaceID {
        guard devices.contains(device) else { throw .unknownDevice }
        // The portal must not be in the guest before its PASIDs are translated (virtualization §1.1, P4 and P5).
        guard vms[vm].vcpus.allSatisfy({ processors[$0].vmcs.secondaryControls.contains(.pasidTranslation) }) else {
            throw .pasidTranslationOff
        }
        let queue: Int
        var pasid: HostPASID?
        switch type {
        case .sharedQueue:
            guard let found = leastUsedSharedQueue(ofDevice: device) else { throw .noSharedQueue }
            queue = found
        case .dedicatedQueue:
            guard let ioasid = ioasids.find(spid: guestPASID, in: vms[vm].set), let index = bindingIndex(of: ioasid),
                bindings[index].state == .bound, bindings[index].devices >> UInt64(device) & 1 == 1
            else { throw .notBound(guestPASID) }
            queue = try freeDedicatedQueue(ofDevice: device)
            pasid = ioasid
        }
        let portal = Portal(workQueue: queue, limit: .limited, interruptTable: .msix)
        let address: UInt64
        do {
            address = try mapPortal(portal, ofDevice: device, at: nil, in: .virtualMachine(vm))
        } catch { throw .notMapped }
        if let pasid, !enableDedicatedQueue(queue, ofDevice: device, for: pasid) {
            unmapPortal(at: address, ofVM: vm)
            throw .deviceRefused
        }
        functions[device].interfaceCounts[queue] += 1
        if let pasid { changeDedicatedQueueCount(of: pasid, by: 1) }
        return InterfaceID(
            index: interfaces.insert(
                Interface(
                    type: type, device: device, workQueue: queue, vm: vm,
                    portal: GuestPhysicalAddress(rawValue: address), pasid: pasid)))
    }

    /// Takes a virtual device away: the VM's portal first, so that nothing more arrives, then the WQ.
    ///
    /// A dedicated WQ is disabled and its descriptors are abandoned; it is taken again when none is left in an engine.
    /// A shared WQ goes on: the VM's descriptors drain with its PASIDs when these are unbound (§8.5).
    public mutating func releaseInterface(_ id: InterfaceID) {
        let interface = interfaces.remove(id.index)
        unmapPortal(at: interface.portal.rawValue, ofVM: interface.vm)
        functions[interface.device].interfaceCounts[interface.workQueue] -= 1
        guard let pasid = interface.pasid else { return }
        changeDedicatedQueueCount(of: pasid, by: -1)
        devices[interface.device].retire(workQueue: interface.workQueue)
        collectEffects(ofDevice: interface.device)
    }

    /// A virtual device's share.
    public func interface(_ id: InterfaceID) -> Interface { interfaces[id.index] }

    /// How many virtual devices there are on a device, of one type.
    public func interfaceCount(_ type: InterfaceType, onDevice device: Int) -> Int {
        interfaces.indices.count { index in
            interfaces.contains(index) && interfaces[index].device == device && interfaces[index].type == type
        }
    }

    /// A dedicated WQ takes up work for a PASID, or gives it up. In between the PASID is not unbound, for the WQ would
    /// go on.
    private mutating func changeDedicatedQueueCount(of pasid: HostPASID, by difference: Int) {
        guard let index = bindingIndex(of: pasid) else { preconditionFailure("a PASID that a WQ works for is bound") }
        bindings[index].dedicatedQueueCount += difference
    }

    // MARK: Queues

    private func leastUsedSharedQueue(ofDevice device: Int) -> Int? {
        let shared = devices[device].workQueues.indices.filter {
            devices[device].workQueues[$0].state == .enabled
                && devices[device].workQueues[$0].configuration.mode == .shared
        }
        let counts = functions[device].interfaceCounts
        return shared.min { counts[$0] < counts[$1] }
    }

    private func freeDedicatedQueue(ofDevice device: Int) throws(SharingRefusal) -> Int {
        let dedicated = devices[device].workQueues.indices.filter {
            let configuration = devices[device].workQueues[$0].configuration
            return configuration.mode == .dedicated && configuration.size > 0
        }
        let free = dedicated.first {
            devices[device].workQueues[$0].state == .disabled && devices[device].workQueues[$0].inProgress == 0
        }
        guard let free else {
            throw .noDedicatedQueue(count: dedicated.count)
        }
        return free
    }

    private mutating func enableDedicatedQueue(_ queue: Int, ofDevice device: Int, for pasid: HostPASID) -> Bool {
        var configuration = devices[device].workQueues[queue].configuration
        configuration.pasidEnable = true
        configuration.pasid = pasid
        guard devices[device].configure(workQueue: queue, as: configuration) else { return false }
        return execute(.enableWorkQueue(queue), device: device) == .completed(.none)
    }

    private mutating func unmapPortal(at address: UInt64, ofVM vm: Int) {
        do throws(MachineError) {
            _ = try unmap(startingAt: address, from: .virtualMachine(vm))
        } catch { preconditionFailure("an interface's portal is mapped: \(error)") }
    }
}

// MARK: SR-IOV

extension Machine {
    /// Sets VF Enable with NumVFs `count`: the function is divided, hard, into as many functions, each with a requester
    /// ID, WQs, entries, engines and interrupts of its own (virtualization §8.3).
    ///
    /// - Returns: The indices of the new devices, in the order of their requester IDs.
    public mutating func enableVirtualFunctions(
        _ count: Int, ofDevice device: Int
    ) throws(SharingRefusal) -> [Int] {
        guard devices.contains(device) else { throw .unknownDevice }
        guard functions[device].virtualFunctions.isEmpty else { throw .virtualFunctionsEnabled }
        guard devices[device].state == .disabled else { throw .functionEnabled }
        let parent = devices[device].profile
        let total = parent.virtualFunctionCountMax
        guard (1...max(total, 1)).contains(count), count <= total else {
            throw .virtualFunctionCount(wanted: count, total: total)
        }
        guard devices.count + count <= HostAddressLayout.deviceCountMax else { throw .noFunction }
        let share = parent.dividedAmongVirtualFunctions(count)
        var made: [Int] = []
        for number in 0..<count {
            // First VF Offset and VF Stride are 1.
            let requester = RequesterID(rawValue: devices[device].requester.rawValue &+ UInt16(number + 1))
            guard deviceIndex(of: requester) == nil,
                let index = addDevice(profile: share, requester: requester, port: functions[device].port)
            else {
                for index in made.reversed() { removeLastDevice(index) }
                throw .noFunction
            }
            made.append(index)
        }
        functions[device].virtualFunctions = made
        return made
    }

    /// Takes back the device that was added last, which nobody has used.
    private mutating func removeLastDevice(_ index: Int) {
        iommu.disableRequester(devices[index].requester)
        functions.removeLast()
        _ = devices.remove(index)
    }
}
