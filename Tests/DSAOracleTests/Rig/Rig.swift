import DSA
import DSAOracle
import DSASpec
import IOMMU
import PCIe

/// A device behind a real IOMMU, and the model of the same device, that get the same descriptors.
final class Rig {
    private static let requester = RequesterID(rawValue: 0x6A08)

    let configuration: CaseDevice
    let oracles: [Oracle]
    private(set) var spaces: [Space] = []
    private let memory = PhysicalMemory(frameCount: 128)
    private let frames: FramePool
    private var iommu: IOMMU
    private(set) var device: Device
    private let log: RigEventLog?
    /// The entries that sent their message since the reports were cleared.
    private(set) var interrupts: [UInt16] = []

    /// The address spaces are foreign: memory that is reached by copying.
    private let isForeign: Bool
    private let bounce = ForeignBounce()

    init(_ configuration: CaseDevice, isForeign: Bool = false, dice: inout Dice) {
        self.configuration = configuration
        self.isForeign = isForeign
        oracles = (0..<CaseLayout.queueCount).map { Oracle(context: configuration.context(queue: $0)) }
        frames = FramePool(count: 80, memory: memory, dice: &dice)
        guard var iommu = IOMMU(memory: memory), iommu.enableRequester(Self.requester) else {
            preconditionFailure("there are frames enough")
        }
        for (index, pasid) in CaseLayout.pasids.enumerated() {
            let space = Space(
                pasid: pasid, isBound: index != CaseLayout.unboundSpace, isForeign: isForeign, frames: frames,
                memory: memory)
            if let translation = isForeign && space.isBound ? .foreign : space.translation {
                let isSet = iommu.setEntry(
                    requester: Self.requester, pasid: space.pasid, translation: translation,
                    domain: DomainID(rawValue: 0), options: [.writeProtect, .supervisorRequests])
                precondition(isSet, "there are frames enough")
            }
            spaces.append(space)
        }
        log = configuration.usesEventLog ? RigEventLog(memory: memory, requester: Self.requester, iommu: &iommu) : nil
        self.iommu = iommu
        device = Device(profile: configuration.profile, requester: Self.requester)
        enable()
    }

    private func enable() {
        for queue in 0..<CaseLayout.queueCount {
            let isTaken = device.configure(workQueue: queue, as: configuration.workQueue(queue))
            precondition(isTaken, "the device is disabled")
        }
        if configuration.asksForPages {
            precondition(device.setPageRequests(isEnabled: true, allocation: 8), "the device is disabled")
        }
        for (space, handles) in configuration.grantedHandles.enumerated() {
            precondition(device.enableUserInterrupts(true), "the device is disabled")
            for handle in handles { grant(handle, to: spaces[space].pasid) }
        }
        if let log {
            precondition(device.configure(log.configuration), "the device is disabled")
            precondition(device.enableEventLog(true), "the device is disabled")
        }
        let group = GroupConfiguration(workQueues: 0b111, engines: 1)
        precondition(device.configure(group: 0, as: group), "the device is disabled")
        precondition(device.execute(.enableDevice) == .completed(.none), "the configuration is valid")
        for queue in 0..<CaseLayout.queueCount {
            precondition(
                device.execute(.enableWorkQueue(queue)) == .completed(.none), "the configuration is valid")
        }
    }

    /// Lets descriptors of a PASID signal an entry of the MSI-X table.
    private func grant(_ handle: UInt16, to pasid: HostPASID) {
        let record = InterruptPermission(pasid: pasid, isIgnored: false).rawValue
        device.writeInterruptRegister(.permissions, dword: Int(handle) * 2, value: record)
        device.writeInterruptRegister(.messages, dword: Int(handle) * 4 + 3, value: 0)
    }

    /// Gives every page of every space a new content.
    func refill(_ dice: inout Dice) {
        for space in spaces {
            space.model.fill { dice.next() }
            space.copyAllToDevice()
        }
    }

    /// Submits `descriptor` and lets the device work until it rests, with `answer` to each page that it asks for.
    func submit(
        _ descriptor: [UInt8], to queue: Int, answer: (PageRequest) -> PageResponseCode = { _ in .invalidRequest }
    ) {
        let words = unsafe descriptor.withUnsafeBytes { unsafe Descriptor(loading: $0.baseAddress!) }
        let portal = Portal(workQueue: queue, limit: .unlimited, interruptTable: .msix)
        if queue == CaseLayout.sharedQueue {
            precondition(device.enqueue(words, to: portal) == .successfulCompletion, "the queue is empty")
        } else {
            device.post(words, to: portal)
        }
        var turns = 0
        repeat {
            while device.step(iommu: &iommu, memory: memory) {
                turns += 1
                precondition(turns < 100_000, "the device does not come to an end")
            }
        } while answerRequests(answer) || carryOutForeignWork()
    }

    /// Returns whether there was any.
    private func carryOutForeignWork() -> Bool {
        let all = device.takeForeignWork()
        for work in all {
            guard let space = spaces.first(where: { $0.pasid == work.pasid }) else {
                preconditionFailure("foreign work is that of an address space")
            }
            var work = work
            var reach = SpaceMemory(space)
            work.run(in: &reach, through: bounce)
            let isAwaited = device.finish(work, iommu: &iommu, memory: memory)
            precondition(isAwaited, "nothing was abandoned")
        }
        return !all.isEmpty
    }

    /// Returns whether there was one.
    private func answerRequests(_ answer: (PageRequest) -> PageResponseCode) -> Bool {
        let effects = device.effects
        device.effects.removeAll(keepingCapacity: true)
        var isAnswered = false
        for effect in effects {
            if case .interrupt(let interrupt) = effect { interrupts.append(interrupt.vector.index) }
            guard case .pageRequest(let request) = effect else { continue }
            let isAwaited = device.respond(to: request.group, with: answer(request))
            precondition(isAwaited, "the device asked")
            isAnswered = true
        }
        return isAnswered
    }

    /// The entries between Head and Tail.
    var logEntries: [RigEventLog.Entry] {
        log?.entries(from: Int(device.eventLogStatus.head), to: Int(device.eventLogStatus.tail)) ?? []
    }

    func clearReports() {
        if log != nil {
            var status = EventLogStatus()
            status.head = device.eventLogStatus.tail
            device.write(status)
        }
        device.clearSoftwareError()
        interrupts.removeAll(keepingCapacity: true)
        device.effects.removeAll(keepingCapacity: true)
    }

    /// The IOMMU and the device must forget what they know of the page.
    func invalidate(_ space: Space, page: Int) {
        let address = LinearAddress(rawValue: space.model.address(ofPage: page))
        iommu.invalidate(.pasidTLBPages(DomainID(rawValue: 0), space.pasid, address, byteCount: 4096))
        device.invalidateTranslations(
            DeviceTLBInvalidation.Scope(space.pasid, covering: address, byteCount: 4096))
    }

    var models: [OracleMemory] { spaces.map(\.model) }

    var areCanariesIntact: Bool { frames.areCanariesIntact }
}
