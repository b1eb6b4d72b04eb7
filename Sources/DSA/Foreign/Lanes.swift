internal import DSASpec
public import IOMMU
public import PCIe

/// Where descriptors of foreign address spaces are while their owner's memory is worked on.
///
/// An engine passes such a descriptor on to a *lane* and takes the next: an owner who keeps a page from being read must
/// keep no engine from the others. A lane is an engine without a window, which takes nothing from a WQ by itself. An
/// address space has only so many; while they are in use, its further descriptors wait in the WQ and others overtake
/// them.
struct Lanes: Sendable {
    /// Lanes of a device.
    static let count = 128
    /// Lanes of one address space at most.
    static let countPerSpace = 16

    /// Those that have a descriptor, in the order in which they got it.
    var busy: [Int] = []
    var free: [Int]
    /// By lane, counted from the first: members of a batch that were read ahead, the next one last.
    var members: [[Descriptor]]
    /// Work that the driver has not taken.
    var ready: [ForeignWork] = []
    var nextTicket: UInt64 = 1

    /// The lanes behind `engineCount` engines.
    init(behind engineCount: Int) {
        free = (engineCount..<engineCount + Self.count).reversed()
        members = Array(repeating: [], count: Self.count)
    }
}

extension Device {
    /// What became of the attempt to give an engine work.
    enum Taking {
        case nothing
        /// The engine has it.
        case taken
        /// It went to this lane.
        case passedOn(Int)
    }

    /// Whether `index` is a lane, not an engine.
    func isLane(_ index: Int) -> Bool { index >= profile.engineCount }

    /// The PASID of a descriptor in a WQ.
    private func pasid(of item: WorkItem) -> HostPASID? {
        Self.pasid(of: item, in: workQueues[item.portal.workQueue].configuration)
    }

    /// Whether a descriptor of `pasid` can leave its WQ.
    private mutating func canLeave(_ pasid: HostPASID?, iommu: inout IOMMU) -> Bool {
        guard iommu.isForeign(requester: requester, pasid: pasid) else { return true }
        guard !lanes.free.isEmpty else { return false }
        var count = 0
        for lane in lanes.busy where engines[lane].pasid == pasid { count += 1 }
        return count < Lanes.countPerSpace
    }

    /// The oldest descriptor of WQ `queue` that can leave it, by its place.
    mutating func firstThatCanLeave(_ queue: Int, iommu: inout IOMMU) -> Int? {
        // Most often many of one address space follow each other.
        var refused: HostPASID?
        for position in 0..<workQueues[queue].occupancy {
            let pasid = pasid(of: workQueues[queue].item(at: position))
            if position > 0, pasid == refused { continue }
            if canLeave(pasid, iommu: &iommu) { return position }
            refused = pasid
        }
        return nil
    }

    /// A free lane for what engine `index` has just taken, which becomes idle.
    mutating func passOn(fromEngine index: Int) -> Int {
        guard let lane = lanes.free.popLast() else { preconditionFailure("a descriptor leaves its WQ for a free lane") }
        lanes.busy.append(lane)
        lanes.members[lane - profile.engineCount].removeAll()
        engines[lane] = engines[index]
        engines[lane].isForeign = true
        engines[lane].isHeld = false
        engines[index].activity = .idle
        busyEngines &= ~(1 << UInt64(index))
        return lane
    }

    /// Gives back the lane whose descriptor has ended.
    mutating func releaseLane(_ lane: Int) {
        engines[lane].isForeign = false
        lanes.busy.removeAll { $0 == lane }
        lanes.free.append(lane)
        lanes.members[lane - profile.engineCount].removeAll()
    }

    /// Hands work of lane `index` to the driver.
    mutating func handOut(_ kind: ForeignWork.Kind, lane index: Int) {
        guard let pasid = engines[index].pasid else { preconditionFailure("a foreign address space has a PASID") }
        engines[index].activity = .foreignOut
        engines[index].ticket = lanes.nextTicket
        lanes.ready.append(ForeignWork(ticket: lanes.nextTicket, pasid: pasid, lane: index, kind: kind))
        lanes.nextTicket += 1
    }
}

// MARK: For the driver

extension Device {
    /// Whether ``takeForeignWork()`` has anything.
    public var hasForeignWork: Bool { !lanes.ready.isEmpty }

    /// Work in foreign address spaces that nobody has taken, the oldest first.
    public mutating func takeForeignWork() -> [ForeignWork] {
        guard !lanes.ready.isEmpty else { return [] }
        defer { lanes.ready.removeAll(keepingCapacity: true) }
        return lanes.ready
    }

    /// Takes back work that was carried out.
    ///
    /// - Returns: `false` when its descriptor was abandoned meanwhile.
    @discardableResult
    public mutating func finish(_ work: ForeignWork, iommu: inout IOMMU, memory: PhysicalMemory) -> Bool {
        let index = work.lane
        guard engines[index].activity == .foreignOut, engines[index].ticket == work.ticket else { return false }
        engines[index].activity = .working
        takeBack(work, lane: index, iommu: &iommu, memory: memory)
        settleWaiters()
        return true
    }

    /// Abandons the descriptors of `pasid` whose work is out: its owner has ended, or does not let its memory be
    /// reached.
    public mutating func abandonForeignWork(of pasid: HostPASID) {
        lanes.ready.removeAll { $0.pasid == pasid }
        for lane in lanes.busy where engines[lane].activity == .foreignOut && engines[lane].pasid == pasid {
            abandon(engine: lane)
        }
        settleWaiters()
    }
}
