public import DSA
internal import IOMMU
internal import PCIe
internal import Virtualization

extension Machine {
    /// What a device wants done in the memory of a process that the driver reaches.
    public struct ForeignWork: Sendable {
        /// The index of the device.
        public let device: Int
        /// The process whose memory it is.
        public let process: Int
        /// What is to be done: ``DSA/ForeignWork/run(in:through:)``, on a thread that may wait for the process.
        public var work: DSA.ForeignWork
    }

    /// The work in foreign address spaces that nobody has taken, of each device the oldest first.
    public mutating func takeForeignWork() -> [ForeignWork] {
        guard iommu.hasForeignEntries else { return [] }
        var all: [ForeignWork] = []
        for index in devices.indices where devices.contains(index) && devices[index].hasForeignWork {
            for work in devices[index].takeForeignWork() {
                guard let binding = bindingIndex(of: work.pasid), case .process(let process) = bindings[binding].owner
                else { preconditionFailure("an unbind waits for the descriptors of its PASID") }
                all.append(ForeignWork(device: index, process: process, work: work))
            }
        }
        return all
    }

    /// Takes back work that was carried out.
    ///
    /// - Returns: `false` when its descriptor was abandoned meanwhile.
    @discardableResult
    public mutating func finish(_ foreign: ForeignWork) -> Bool {
        guard devices.contains(foreign.device) else { return false }
        let isAwaited = devices[foreign.device].finish(foreign.work, iommu: &iommu, memory: memory)
        collectEffects(ofDevice: foreign.device)
        return isAwaited
    }

    /// Abandons the descriptors of a process whose work the driver has not given back: it has ended, or keeps its
    /// memory from being reached.
    public mutating func abandonForeignWork(ofProcess process: Int) {
        guard let pasid = processes[process].translatedPASID else { return }
        for index in devices.indices where devices.contains(index) {
            devices[index].abandonForeignWork(of: pasid)
            collectEffects(ofDevice: index)
        }
    }

    /// Whether devices reach the memory of a process through the driver.
    public func hasForeignMemory(_ space: AddressSpaceIndex) -> Bool {
        if case .process(let index) = space { processes[index].hasForeignMemory } else { false }
    }
}
