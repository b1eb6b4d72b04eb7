import DSASpec
public import IOMMU
public import PCIe

/// What stands before the next window of a transfer.
public enum ResolveOutcome: Equatable, Sendable, BitwiseCopyable {
    /// The window is filled, with this many bytes of the first buffer, and may run. 0 when there is nothing to move.
    case ready(byteCount: Int)
    /// Nothing is left to do.
    case finished
    /// The transfer has ended: the byte at `address` cannot be translated. Ends with 0x03 when it is a page fault,
    /// 0x22 otherwise; a page fault can be taken back with ``Transfer/retryPage()``.
    case fault(address: LinearAddress, isWrite: Bool, TranslationFault)
    /// The transfer has ended: the next byte's translation is not memory. Ends with 0x20, 0x21 on a write.
    case notMemory(isWrite: Bool)
}

extension Transfer {
    /// Fills `window` with the next part of the transfer.
    ///
    /// A window ends before the first page that cannot be accessed, after the last whole block. The fault is reported,
    /// and ends the transfer, when no whole block is left before it; of several buffers the first in the order of the
    /// descriptor counts.
    ///
    /// - Parameters:
    ///   - pasid: The PASID of the descriptor or its WQ; `nil` for a WQ without PASID.
    ///   - privileged: The descriptor's Priv.
    public mutating func resolve(
        into window: inout TransferWindow, iommu: inout IOMMU, memory: PhysicalMemory, requester: RequesterID,
        pasid: HostPASID?, privileged: Bool
    ) -> ResolveOutcome {
        if status != .none { return .finished }
        guard blocksLeft > 0 else {
            finish()
            return .finished
        }
        var request = TranslationRequest(
            requester: requester, pasid: pasid, address: LinearAddress(rawValue: addresses[2]), isWrite: false,
            isPrivileged: privileged)
        if case .crc(let crc) = state, crc.awaitsSeed {
            if let obstacle = readSeed(crc, request, &iommu, memory) { return end(obstacle, at: .secondSource) }
        }

        var blocksMax = UInt64(blocksLeft)
        if let fault = injectedFault {
            blocksMax = blocksBeforeInjectedFault(blocksMax)
            if blocksMax == 0 {
                injectedFault = nil
                isCutOff = fault.isFinal
                let reason = TranslationFault(reason: .firstStageNotPresent)
                return end(
                    .fault(injectedFaultAddress, isWrite: writes(0), reason), at: kind.name(ofOperand: 0))
            }
        }
        window.begin(self)
        if kind == .translationFetch {
            request.address = LinearAddress(rawValue: addresses[0])
            return fetch(request, into: &window, &iommu)
        }
        var blocks = strides.blocksInWindow(of: blocksMax)
        for operand in 0..<kind.steppedOperandCount {
            request.isWrite = writes(operand)
            request.address = LinearAddress(rawValue: addresses[operand])
            let wanted = blocks * strides[operand]
            let covered =
                isBackward
                ? coverBackward(operand, wanted, request, &window, &iommu, memory)
                : coverForward(
                    operand, UInt64(blocksDone) * strides[operand], wanted, request, &window, &iommu, memory)
            if let obstacle = covered.obstacle {
                blocks = wholeBlocks(in: covered.byteCount, of: operand)
                if blocks == 0 { return end(obstacle, at: kind.name(ofOperand: operand)) }
            }
        }
        for operand in 0..<kind.steppedOperandCount {
            window.byteCounts[operand] = Int(truncatingIfNeeded: blocks * strides[operand])
        }
        window.blockCount = Int(truncatingIfNeeded: blocks)
        if let loose = looseBuffer(blocks: blocks) {
            request.isWrite = true
            request.address = LinearAddress(rawValue: addresses[loose.operand])
            let covered = coverForward(
                loose.operand, loose.offset, loose.byteCount, request, &window, &iommu, memory)
            if let obstacle = covered.obstacle, covered.byteCount < loose.needed {
                return end(obstacle, at: kind.name(ofOperand: loose.operand))
            }
            window.byteCounts[loose.operand] = Int(truncatingIfNeeded: covered.byteCount)
        }
        return .ready(byteCount: window.byteCounts[0])
    }

    /// The blocks that are done before an obstacle after `byteCount` bytes of `operand`.
    func wholeBlocks(in byteCount: UInt64, of operand: Int) -> UInt64 {
        let blocks = strides.wholeBlocks(in: byteCount, of: operand)
        // A comparison sees every byte before the page: a difference there counts more than the fault.
        guard openPoints.partialCompletion == .everyLine, strides[0] == 1, kind != .compare, kind != .comparePattern
        else { return blocks }
        return blocks - min(blocks, (UInt64(blocksDone) + blocks) % OpenPoints.lineByteCount)
    }

    /// Why a byte cannot be accessed.
    private enum Obstacle {
        case fault(LinearAddress, isWrite: Bool, TranslationFault)
        case notMemory(isWrite: Bool)
    }

    /// How much of a buffer a window can have, and what ends it early.
    private struct Coverage {
        var byteCount: UInt64
        var obstacle: Obstacle?
    }

    private mutating func end(_ obstacle: Obstacle, at operand: FaultOperand) -> ResolveOutcome {
        faultOperand = operand
        switch obstacle {
        case .fault where !usesATS:
            // Only a read comes here: its answer is all that the device sees.
            status = .hardwareError
            return .notMemory(isWrite: false)
        case .fault(let address, let isWrite, let fault):
            status = fault.isPageFault ? .pageFault : .translationError
            faultAddress = address
            faultWasWrite = isWrite
            return .fault(address: address, isWrite: isWrite, fault)
        case .notMemory(let isWrite):
            status = isWrite ? .hardwareErrorOnWrite : .hardwareError
            return .notMemory(isWrite: isWrite)
        }
    }

    /// Reads the CRC seed once. It is aligned to its size, so it lies in one page.
    private mutating func readSeed(
        _ progress: CRCProgress, _ request: TranslationRequest, _ iommu: inout IOMMU, _ memory: PhysicalMemory
    ) -> Obstacle? {
        switch translate(request, &iommu) {
        case .fault(let fault):
            return .fault(request.address, isWrite: false, fault)
        case .translated(let address, _):
            let loaded = progress.isWide ? memory.load64(address) : memory.load32(address).map(UInt64.init)
            guard let seed = loaded else { return .notMemory(isWrite: false) }
            var crc = progress
            crc.value = seed
            crc.awaitsSeed = false
            state = .crc(crc)
            return nil
        }
    }

    /// Fetches up to 64 translations. They are what is fetched: nothing is left to do when the window runs.
    private mutating func fetch(
        _ start: TranslationRequest, into window: inout TransferWindow, _ iommu: inout IOMMU
    ) -> ResolveOutcome {
        var request = start
        var blocks: UInt64 = 0
        for _ in 0..<64 where blocks < UInt64(blocksLeft) {
            let offset = (UInt64(blocksDone) + blocks) * UInt64(strides.first)
            switch translate(&request, start.address, offset, &iommu) {
            case .fault(let fault) where blocks == 0:
                return end(.fault(request.address, isWrite: false, fault), at: kind.name(ofOperand: 0))
            case .fault:
                window.blockCount = Int(truncatingIfNeeded: blocks)
                return .ready(byteCount: 0)
            case .translated(_, let pageRemaining):
                // Without a stride each byte counts, with one each address.
                blocks += strides.first == 1 ? min(pageRemaining, UInt64(blocksLeft) - blocks) : 1
            }
        }
        window.blockCount = Int(truncatingIfNeeded: blocks)
        return .ready(byteCount: 0)
    }

    /// Adds `byteCount` bytes of `operand`, from `offset` in its buffer at `start.address`, in ascending order.
    @inline(__always)
    private func coverForward(
        _ operand: Int, _ offset: UInt64, _ byteCount: UInt64, _ start: TranslationRequest,
        _ window: inout TransferWindow, _ iommu: inout IOMMU, _ memory: PhysicalMemory
    ) -> Coverage {
        var request = start
        var covered: UInt64 = 0
        while covered < byteCount {
            switch translate(&request, start.address, offset + covered, byteCount: byteCount - covered, &iommu) {
            case .fault where request.isWrite && !usesATS:
                let inPage = request.address.rawValue % pageByteCount
                let piece = min(pageByteCount - inPage, byteCount - covered)
                unsafe window.append(window.sink + Int(inPage), byteCount: Int(piece), to: operand)
                covered += piece
            case .fault(let fault):
                return Coverage(
                    byteCount: covered, obstacle: .fault(request.address, isWrite: request.isWrite, fault))
            case .translated(let address, let pageRemaining):
                var piece = min(pageRemaining, byteCount - covered)
                var bytes = unsafe memory.pointer(to: address, byteCount: piece)
                if unsafe bytes == nil {
                    // A large page may reach past the end of its memory, which ends at a 4 KiB boundary.
                    piece = min(piece, pageByteCount - address.rawValue % pageByteCount)
                    unsafe bytes = unsafe memory.pointer(to: address, byteCount: piece)
                }
                guard let bytes = unsafe bytes else {
                    return Coverage(byteCount: covered, obstacle: .notMemory(isWrite: request.isWrite))
                }
                unsafe window.append(bytes, byteCount: Int(truncatingIfNeeded: piece), to: operand)
                covered += piece
            }
        }
        return Coverage(byteCount: covered, obstacle: nil)
    }

    /// Adds the last `byteCount` of the remaining bytes of `operand`, in descending order, page by page.
    private func coverBackward(
        _ operand: Int, _ byteCount: UInt64, _ start: TranslationRequest, _ window: inout TransferWindow,
        _ iommu: inout IOMMU, _ memory: PhysicalMemory
    ) -> Coverage {
        var request = start
        var covered: UInt64 = 0
        while covered < byteCount {
            switch translate(&request, start.address, UInt64(blocksLeft) - covered - 1, &iommu) {
            case .fault where request.isWrite && !usesATS:
                let end = request.address.rawValue % pageByteCount + 1
                let piece = min(end, byteCount - covered)
                unsafe window.append(window.sink + Int(end - piece), byteCount: Int(piece), to: operand)
                covered += piece
            case .fault(let fault):
                return Coverage(
                    byteCount: covered, obstacle: .fault(request.address, isWrite: request.isWrite, fault))
            case .translated(let last, _):
                let piece = min(last.rawValue % pageByteCount + 1, byteCount - covered)
                let first = HostPhysicalAddress(rawValue: last.rawValue - (piece - 1))
                guard let bytes = unsafe memory.pointer(to: first, byteCount: piece) else {
                    return Coverage(byteCount: covered, obstacle: .notMemory(isWrite: request.isWrite))
                }
                unsafe window.append(bytes, byteCount: Int(truncatingIfNeeded: piece), to: operand)
                covered += piece
            }
        }
        return Coverage(byteCount: covered, obstacle: nil)
    }

    /// Translates the byte `offset` above `start`, of which `byteCount` bytes are to be accessed, and leaves its
    /// address in `request`. No address is above 2^64 - 1: a buffer that passes it does not come round to 0.
    @inline(__always)
    private func translate(
        _ request: inout TranslationRequest, _ start: LinearAddress, _ offset: UInt64, byteCount: UInt64 = 1,
        _ iommu: inout IOMMU
    ) -> Translation {
        let (address, isBeyond) = start.rawValue.addingReportingOverflow(offset)
        request.address = LinearAddress(rawValue: address)
        return isBeyond
            ? .fault(TranslationFault(reason: .nonCanonicalAddress))
            : translate(request, byteCount: byteCount, &iommu)
    }

    /// Translates an access as the device does: through its own cache, unless it goes without ATS.
    @inline(__always)
    private func translate(
        _ request: TranslationRequest, byteCount: UInt64 = 1, _ iommu: inout IOMMU
    ) -> Translation {
        guard let deviceTLB else { return iommu.translate(request, byteCount: byteCount) }
        return deviceTLB.translate(request, byteCount: byteCount, &iommu)
    }
}
