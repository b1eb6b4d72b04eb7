internal import DSASpec
internal import IOMMU
internal import PCIe

/// What an engine that met a page fault waits for, and what it does again afterwards (DSA 3.0 §3.13).
///
///     none --fault--> unsent --credit--> outstanding --response--> answered --next step--> none
struct PageWait: Sendable, BitwiseCopyable {
    /// The access that faulted.
    enum Purpose: UInt8, Sendable, BitwiseCopyable {
        /// A buffer of the current data operation.
        case transfer
        /// The next member in the list of a batch.
        case list
        /// A readback address of Drain.
        case readback
        /// The completion record.
        case record
    }

    enum Progress: Hashable, Sendable, BitwiseCopyable {
        case none
        /// As many requests as the function may have are without answer.
        case unsent
        case outstanding
        case answered(PageResponseCode)
    }

    var progress = Progress.none
    var purpose = Purpose.transfer
    var address = LinearAddress(rawValue: 0)
    var isWrite = false
    /// The record that could not be written yet. Valid for ``Purpose/record``.
    var record = CompletionRecord(status: .none)
    /// Requests since the engine last got anywhere: past a window, a member or a record.
    var requestCount = 0
}

extension Device {
    /// Whether page faults of engine `index` become page requests: PRS is on, and the WQ does not do without.
    func mayRequestPage(engine index: Int) -> Bool {
        mayRequestPages && usesATS(engine: index)
            && !workQueues[engines[index].item.portal.workQueue].configuration.prsDisable
    }

    /// Whether engine `index` has its descriptor's addresses translated beforehand. Otherwise it sends them as they are
    /// and learns nothing of a write that faults, and of a read that it has no answer (dsa-device 5.1).
    func usesATS(engine index: Int) -> Bool {
        function.isATSEnabled && !workQueues[engines[index].item.portal.workQueue].configuration.atsDisable
    }

    /// Parks engine `index` until its page request is answered.
    ///
    /// - Parameter address: The byte that faulted.
    /// - Returns: `false` when nothing was asked, because the function may not, or because success was answered too
    ///   often without the access getting through: the fault is to be reported.
    mutating func awaitPage(
        _ purpose: PageWait.Purpose, engine index: Int, at address: LinearAddress, isWrite: Bool
    ) -> Bool {
        guard mayRequestPage(engine: index),
            engines[index].pageWait.requestCount < profile.pageRequestRetryLimit
        else { return false }
        engines[index].pageWait.purpose = purpose
        engines[index].pageWait.address = address
        engines[index].pageWait.isWrite = isWrite
        engines[index].pageWait.requestCount += 1
        engines[index].activity = .awaitingPage
        if hasPageRequestCredit {
            sendPageRequest(engine: index)
        } else {
            engines[index].pageWait.progress = .unsent
        }
        return true
    }

    /// Parks engine `index` until the page of its completion record is there; see
    /// ``awaitPage(_:engine:at:isWrite:)``.
    mutating func awaitPage(for record: CompletionRecord, engine index: Int, at address: LinearAddress) -> Bool {
        guard awaitPage(.record, engine: index, at: address, isWrite: true) else { return false }
        engines[index].pageWait.record = record
        return true
    }

    private mutating func sendPageRequest(engine index: Int) {
        engines[index].pageWait.progress = .outstanding
        pageRequests.outstandingCount += 1
        effects.append(.pageRequest(pageRequest(engine: index)))
    }

    /// An engine has at most one request, so its index serves as the group.
    func pageRequest(engine index: Int) -> PageRequest {
        PageRequest(
            requester: requester, pasid: engines[index].pasid, address: engines[index].pageWait.address,
            isWrite: engines[index].pageWait.isWrite, isPrivileged: engines[index].isPrivileged,
            group: PageRequestGroup(truncating: index))
    }

    /// Gives a credit that has become free to the oldest descriptor that waits for one.
    mutating func sendWaitingPageRequest() {
        guard mayRequestPages, hasPageRequestCredit else { return }
        let waiting = engines.indices.filter { engines[$0].pageWait.progress == .unsent }
        if let oldest = waiting.min(by: { engines[$0].item.sequence < engines[$1].item.sequence }) {
            sendPageRequest(engine: oldest)
        }
    }

    /// Forgets the page request of engine `index`, whose descriptor is abandoned. A function of flesh and blood would
    /// keep the group until the response comes; here a response after this finds none.
    mutating func withdrawPageRequest(engine index: Int) {
        let progress = engines[index].pageWait.progress
        engines[index].pageWait.progress = .none
        guard progress == .outstanding else { return }
        pageRequests.outstandingCount -= 1
        effects.append(.pageRequestWithdrawn(PageRequestGroup(truncating: index)))
        sendWaitingPageRequest()
    }

    /// Lets engine `index` go on after `answer`.
    mutating func resume(
        engine index: Int, after answer: PageResponseCode, iommu: inout IOMMU, memory: PhysicalMemory
    ) {
        let wait = engines[index].pageWait
        engines[index].pageWait.progress = .none
        switch (wait.purpose, answer) {
        case (.list, .success), (.readback, .success):
            // The engine fetches, or drains, again.
            break
        case (.transfer, .success):
            engines[index].transfer.retryPage()
        case (.record, .success):
            end(engine: index, with: wait.record, iommu: &iommu, memory: memory)
        case (.transfer, _):
            engines[index].transfer.refusePage()
            endTransfer(engine: index, iommu: &iommu, memory: memory)
        case (.list, _):
            failList(
                engine: index, status: .batchListPageFault, at: wait.address, iommu: &iommu, memory: memory)
        case (.readback, _):
            end(
                engine: index, with: readbackFaultRecord(engine: index, at: wait.address), iommu: &iommu,
                memory: memory)
        case (.record, _):
            loseRecord(engine: index, record: wait.record, iommu: &iommu, memory: memory)
        }
    }
}
