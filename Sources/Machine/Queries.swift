public import DSA
internal import IOMMU
public import PCIe
public import Virtualization

extension Machine {
    /// The number of the process at `index`.
    public func processID(_ index: Int) -> ProcessID { processes[index].id }

    /// The PASID of the process at `index` while it is bound.
    public func pasid(ofProcess index: Int) -> HostPASID? { processes[index].pasid }

    /// Whether the process at `index` is bound to a device, and no bind or unbind of it there is under way.
    public func isBound(process index: Int, toDevice device: Int) -> Bool {
        guard let pasid = processes[index].pasid, let binding = bindingIndex(of: pasid) else { return false }
        return bindings[binding].state == .bound && bindings[binding].departingDevice != device
            && bindings[binding].devices >> UInt64(device) & 1 == 1
    }

    /// The IOASIDs of processes and the process of each, on their way in or out included.
    public func ioasidsOfProcesses() -> [(ioasid: HostPASID, process: Int)] {
        var members: [(ioasid: HostPASID, process: Int)] = []
        ioasids.forEachMember(of: hostSet) { ioasid in
            guard let index = bindingIndex(of: ioasid), case .process(let process) = bindings[index].owner else {
                return
            }
            members.append((ioasid, process))
        }
        return members
    }

    /// The number of the VM at `index`.
    public func vmID(_ index: Int) -> VMID { vms[index].id }

    /// The IOASID set of the VM at `index`.
    public func ioasidSet(ofVM index: Int) -> IOASIDSetID { vms[index].set }

    /// What the hypervisor of the VM at `index` does.
    public func settings(ofVM index: Int) -> VMSettings { vms[index].settings }

    /// How many guest PASIDs of the VM at `index` translate.
    public func translationCount(ofVM index: Int) -> Int { vms[index].translations.mappingCount }

    /// The processors that run the threads of the process at `index`.
    public func threads(ofProcess index: Int) -> [Int] { processes[index].threads }

    /// The processors that run the vCPUs of the VM at `index`.
    public func vcpus(ofVM index: Int) -> [Int] { vms[index].vcpus }

    /// How many processes there are.
    public var processCount: Int { processes.count }

    /// How many VMs there are.
    public var vmCount: Int { vms.count }

    /// IOASIDs bound to a process or guest PASID, on their way in or out included.
    public var boundCount: Int { bindings.count }

    /// How often the #GP handler has loaded IA32_PASID on a processor.
    @inline(__always)
    public func fixupCount(_ processor: Int) -> UInt64 {
        processors[processor].core.counters.generalProtectionFixups
    }

    /// The totals over every WQ of every device.
    public var totals: WorkQueue.Counts {
        var totals = WorkQueue.Counts.zero
        for index in devices.indices where devices.contains(index) {
            for queue in devices[index].workQueues { totals += queue.counts }
        }
        return totals
    }

    /// Descriptors that were accepted and have not ended.
    public var inFlight: UInt64 {
        var count: UInt64 = 0
        for index in devices.indices where devices.contains(index) {
            for queue in devices[index].workQueues { count += UInt64(queue.occupancy + queue.inProgress) }
        }
        return count
    }

    /// How many completion records the devices have written: when it has not changed, none has appeared.
    public var recordCount: UInt64 {
        var count: UInt64 = 0
        for index in devices.indices where devices.contains(index) { count &+= devices[index].recordCount }
        return count
    }

    /// The byte that a load of a processor would find at `address`; `nil` when it would fault, or is not memory.
    public func byte(at address: LinearAddress, on processor: Int) -> UInt8? {
        guard case .translated(let target, _) = translate(address, isWrite: false, on: processor),
            let pointer = unsafe memory.pointer(to: target, byteCount: 1)
        else { return nil }
        return unsafe pointer.load(as: UInt8.self)
    }
}
