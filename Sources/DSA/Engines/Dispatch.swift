internal import DSASpec
public import IOMMU
internal import PCIe

extension Device {
    /// The bytes one window may cover on the caller's own thread; a longer one goes to ``takeReadyWindow()``.
    ///
    /// Handing a window to another thread and back costs several microseconds, the time of about this much copying.
    public static let inlineWindowByteCountMax = 64 << 10

    /// How much one ``step(iommu:memory:budget:)`` may do before the caller looks at its sockets again.
    public struct Budget: Sendable {
        /// Descriptors and batch members started or ended.
        public var actions: Int
        /// Bytes moved on the caller's thread.
        public var bytes: Int

        /// A budget of `actions` and `bytes`, which the last action may overdraw.
        public init(actions: Int = 512, bytes: Int = 1 << 20) {
            self.actions = actions
            self.bytes = bytes
        }
    }

    /// Lets every engine that is not held work until nothing can go on or `budget` is used up.
    ///
    /// - Parameter runsInline: Whether all windows run here: the simulator and the tests have no engine threads.
    /// - Returns: Whether the budget ended the call, so that calling again makes progress.
    public mutating func step(
        iommu: inout IOMMU, memory: PhysicalMemory, budget: Budget = Budget(), runsInline: Bool = true
    ) -> Bool {
        guard hasWork else { return false }
        var budget = budget
        var turnsWithoutAction = 0
        let engineCount = profile.engineCount
        if !lanes.busy.isEmpty {
            stepLanes(iommu: &iommu, memory: memory, budget: &budget)
            if budget.actions <= 0 {
                settleWaiters()
                return true
            }
        }
        while turnsWithoutAction < engineCount {
            // The round goes on where the call before ended, so that a small budget keeps no engine waiting for ever.
            let index = nextEngine
            nextEngine += 1
            if nextEngine == engineCount { nextEngine = 0 }
            turnsWithoutAction += 1
            while advance(engine: index, iommu: &iommu, memory: memory, runsInline: runsInline, budget: &budget) {
                turnsWithoutAction = 0
                if budget.actions <= 0 || budget.bytes <= 0 {
                    settleWaiters()
                    return true
                }
                // With several engines they take turns; with one descriptor each that is what hardware does.
                if engineCount > 1, workMask & (workMask &- 1) != 0 || busyEngines != 0 { break }
            }
        }
        settleWaiters()
        return false
    }

    /// Lets the lanes go on that have something to do: their work has come back, or what they wait for has happened.
    private mutating func stepLanes(iommu: inout IOMMU, memory: PhysicalMemory, budget: inout Budget) {
        for lane in lanes.busy { stepLane(lane, iommu: &iommu, memory: memory, budget: &budget) }
    }

    /// Lets a lane go on until its work is out, or it waits for others.
    private mutating func stepLane(_ lane: Int, iommu: inout IOMMU, memory: PhysicalMemory, budget: inout Budget) {
        while engines[lane].activity != .idle,
            advance(engine: lane, iommu: &iommu, memory: memory, runsInline: true, budget: &budget), budget.actions > 0
        {}
    }

    /// One action of one engine. Returns whether it did anything.
    private mutating func advance(
        engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory, runsInline: Bool, budget: inout Budget
    ) -> Bool {
        switch engines[index].activity {
        case .windowOut, .foreignOut:
            return false
        case .idle:
            guard workMask != 0, !engines[index].isHeld, engines[index].group >= 0 else { return false }
            switch takeWork(engine: index, iommu: &iommu) {
            case .nothing:
                return false
            case .taken:
                break
            case .passedOn(let lane):
                stepLane(lane, iommu: &iommu, memory: memory, budget: &budget)
                return true
            }
        case .waiting:
            guard engines[index].isAborted || !hasEarlierWork(than: index) else { return false }
            engines[index].activity = .working
        case .awaitingPage:
            guard !engines[index].isAborted else {
                budget.actions -= 1
                abandon(engine: index)
                return true
            }
            guard case .answered(let answer) = engines[index].pageWait.progress else { return false }
            budget.actions -= 1
            engines[index].activity = .working
            resume(engine: index, after: answer, iommu: &iommu, memory: memory)
            return true
        case .awaitingLog:
            guard engines[index].isAborted || retryEvent(engine: index, iommu: &iommu, memory: memory) else {
                return false
            }
            guard engines[index].isAborted else {
                budget.actions -= 1
                return true
            }
        case .working:
            break
        }
        budget.actions -= 1
        if engines[index].isAborted, !completesDespiteAbort(engine: index) {
            abandon(engine: index)
            return true
        }
        if !engines[index].isTransferring {
            startNext(engine: index, iommu: &iommu, memory: memory, budget: &budget)
            if injector.interruptsStep {
                injector.interruptsStep = false
                budget.actions = 0
                return true
            }
        }
        if engines[index].isTransferring {
            continueTransfer(
                engine: index, iommu: &iommu, memory: memory, runsInline: runsInline, budget: &budget)
        }
        return true
    }

    /// Whether what engine `index` has begun is not abandoned by an abort.
    private func completesDespiteAbort(engine index: Int) -> Bool {
        engines[index].isTransferring && profile.openPoints.abortedTransfer == .completed
    }

    /// Moves a descriptor from the WQ that the group's arbiter chooses to the engine.
    private mutating func takeWork(engine index: Int, iommu: inout IOMMU) -> Taking {
        let group = engines[index].group
        var candidates = workMask & groups[group].workQueues
        var queue = 0
        while true {
            guard candidates != 0, let chosen = arbiters[group].choose(work: candidates) else { return .nothing }
            queue = chosen
            guard iommu.hasForeignEntries else { break }
            if let position = firstThatCanLeave(queue, iommu: &iommu) {
                if position > 0 { workQueues[queue].bringForward(position) }
                break
            }
            candidates &= ~(1 << UInt64(queue))
        }
        engines[index].item = workQueues[queue].take()
        if workQueues[queue].occupancy == 0 { workMask &= ~(1 << UInt64(queue)) }
        noteOccupancy(of: queue)
        busyEngines |= 1 << UInt64(index)
        engines[index].activity = .working
        engines[index].dispatched &+= 1
        engines[index].isBatch = false
        // A batch that fails its checks must not be taken for the one before it.
        engines[index].batch = Batch()
        engines[index].isTransferring = false
        engines[index].isAborted = false
        engines[index].hasMetInjector = false
        engines[index].current = engines[index].item.descriptor
        if workQueues[queue].configuration.mode == .shared {
            engines[index].pasid = engines[index].item.descriptor.pasid
            engines[index].isPrivileged = engines[index].item.descriptor.isPrivileged
        } else {
            let configuration = workQueues[queue].configuration
            engines[index].pasid = configuration.pasidEnable ? configuration.pasid : nil
            engines[index].isPrivileged = configuration.isPrivileged
        }
        guard iommu.isForeign(requester: requester, pasid: engines[index].pasid) else { return .taken }
        return .passedOn(passOn(fromEngine: index))
    }

    /// Checks the descriptor at hand and starts it; for a batch, fetches and starts the next member.
    private mutating func startNext(
        engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory, budget: inout Budget
    ) {
        // One that an injected failure has interrupted, or a Drain that waited, is at hand already.
        if engines[index].isBatch, !engines[index].batch.isMemberCurrent {
            fetchMember(engine: index, iommu: &iommu, memory: memory)
            guard engines[index].isBatch, engines[index].batch.isMemberCurrent else { return }
        }
        let isMember = engines[index].isBatch
        let queue = engines[index].item.portal.workQueue
        var context = workQueues[queue].checkContext
        context.isBatchMember = isMember
        if isMember { context.isPrivileged = engines[index].isPrivileged }
        if engines[index].current.flags.contains(.requestCompletionInterrupt) {
            findInterrupt(engine: index, for: &context)
        }
        if let failure = DescriptorChecks.firstFailure(of: engines[index].current, in: context) {
            var record = CompletionRecord(status: failure.status)
            if failure.status == .invalidFlags { record.invalidFlags = failure.invalidFlags }
            end(engine: index, with: record, iommu: &iommu, memory: memory)
            return
        }
        if injector.guardsEngines, !meetsInjector(engine: index, iommu: &iommu, memory: memory) { return }
        switch engines[index].current.opcode {
        case .noOp:
            end(engine: index, with: CompletionRecord(status: .success), iommu: &iommu, memory: memory)
        case .drain:
            if hasEarlierWork(than: index) {
                engines[index].activity = .waiting
            } else {
                finishDrain(engine: index, iommu: &iommu, memory: memory)
            }
        case .batch:
            engines[index].isBatch = true
            engines[index].hasMetInjector = false
            engines[index].batch = Batch()
            engines[index].batch.interrupt = engines[index].interrupt
            engines[index].batch.count = engines[index].current.descriptorCount
            engines[index].batch.hasFailure = engines[index].current.flags.contains(.batchError)
        default:
            if usesATS(engine: index), !engines[index].isForeign, !engines[index].hasMetInjector,
                let record = ShortOperation.run(
                    engines[index].current, memory: memory, requester: requester, pasid: engines[index].pasid,
                    privileged: engines[index].isPrivileged, deviceTLB: deviceTLB.reference)
            {
                budget.bytes -= Int(engines[index].current.transferSize)
                end(engine: index, with: record, iommu: &iommu, memory: memory)
                return
            }
            engines[index].transfer = Transfer(
                engines[index].current, openPoints: profile.openPoints, usesATS: usesATS(engine: index),
                deviceTLB: usesATS(engine: index) ? deviceTLB.reference : nil)
            if engines[index].hasMetInjector { engines[index].transfer.injectedFault = engines[index].injectedFault }
            engines[index].isTransferring = true
        }
    }

    /// Runs the next window of the current data operation here, or hands it out.
    private mutating func continueTransfer(
        engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory, runsInline: Bool, budget: inout Budget
    ) {
        guard !engines[index].isForeign else {
            handOutTransfer(lane: index)
            return
        }
        let pasid = engines[index].pasid
        let isPrivileged = engines[index].isPrivileged
        if engines[index].transfer.runDirectly(
            memory: memory, requester: requester, pasid: pasid, privileged: isPrivileged)
        {
            budget.bytes -= Int(engines[index].transfer.byteCount)
            endTransfer(engine: index, iommu: &iommu, memory: memory)
            return
        }
        let window = unsafe windows + index
        let outcome = unsafe engines[index].transfer.resolve(
            into: &window.pointee, iommu: &iommu, memory: memory, requester: requester, pasid: pasid,
            privileged: isPrivileged)
        switch outcome {
        case .ready(let byteCount):
            engines[index].pageWait.requestCount = 0
            guard runsInline || byteCount <= Self.inlineWindowByteCountMax else {
                engines[index].activity = .windowOut
                readyWindows.append(index)
                return
            }
            budget.bytes -= byteCount
            unsafe Transfer.run(&window.pointee)
            absorbWindow(engine: index, iommu: &iommu, memory: memory)
        case .fault(let address, let isWrite, let fault)
        where fault.isPageFault && engines[index].current.flags.contains(.blockOnFault)
            && !engines[index].transfer.isCutOff:
            if awaitPage(.transfer, engine: index, at: address, isWrite: isWrite) { return }
            engines[index].transfer.refusePage()
            fallthrough
        case .finished, .fault, .notMemory:
            endTransfer(engine: index, iommu: &iommu, memory: memory)
        }
    }

    private mutating func absorbWindow(engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory) {
        let window = unsafe windows + index
        guard unsafe engines[index].transfer.absorb(window.pointee) == .finished else { return }
        endTransfer(engine: index, iommu: &iommu, memory: memory)
    }

    /// Whether a descriptor that a Drain in engine `index` must wait for is in another engine: an earlier one of the
    /// same WQ, and of the same PASID if the WQ is shared (DSA 3.0 §3.12). Earlier ones cannot be in the WQ any more.
    private func hasEarlierWork(than index: Int) -> Bool {
        let drain = engines[index].item
        let isShared = workQueues[drain.portal.workQueue].configuration.mode == .shared
        var others = busyEngines & ~(1 << UInt64(index))
        while others != 0 {
            let other = others.trailingZeroBitCount
            others &= others - 1
            if engines[other].item.portal.workQueue == drain.portal.workQueue,
                engines[other].item.sequence < drain.sequence,
                !isShared || engines[other].pasid == engines[index].pasid
            {
                return true
            }
        }
        for other in lanes.busy
        where other != index && engines[other].item.portal.workQueue == drain.portal.workQueue
            && engines[other].item.sequence < drain.sequence
            && (!isShared || engines[other].pasid == engines[index].pasid)
        {
            return true
        }
        return false
    }
}

// MARK: Windows on other threads

extension Device {
    /// A window that a thread of the driver runs with ``Transfer/run(_:)``. The device does not touch it before
    /// ``finishWindow(engine:iommu:memory:)``.
    @unsafe
    public struct ReadyWindow: @unchecked Sendable {
        /// The engine that waits for the window, an index below ``DeviceProfile/engineCount``.
        public let engine: Int
        /// The window. It belongs to the device and lives as long as that does.
        public let window: UnsafeMutablePointer<TransferWindow>
    }

    /// The next window for a thread, or `nil`.
    public mutating func takeReadyWindow() -> ReadyWindow? {
        guard let index = readyWindows.popLast() else { return nil }
        return unsafe ReadyWindow(engine: index, window: windows + index)
    }

    /// Takes back a window that ran.
    public mutating func finishWindow(engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory) {
        precondition(engines[index].activity == .windowOut, "only a window that is out can come back")
        engines[index].activity = .working
        absorbWindow(engine: index, iommu: &iommu, memory: memory)
        settleWaiters()
    }
}
