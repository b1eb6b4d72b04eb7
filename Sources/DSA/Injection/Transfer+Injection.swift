internal import DSASpec
internal import IOMMU
internal import PCIe

/// Where a transfer meets a page fault that memory would not give it.
enum InjectedFault: Hashable, Sendable, BitwiseCopyable {
    /// Before this page of the first buffer, counted from 0 in the order in which the transfer reaches them.
    case page(UInt32)
    /// Before this byte of the first buffer, in the same order; no page request takes it back.
    case byte(UInt32)

    /// Whether the transfer ends there for good.
    var isFinal: Bool {
        if case .byte = self { true } else { false }
    }
}

extension Transfer {
    /// The bytes of the first buffer before an injected fault.
    private func byteCount(before fault: InjectedFault) -> UInt64 {
        switch fault {
        case .byte(let count): return UInt64(count)
        case .page(0): return 0
        case .page(let page):
            let first = addresses[0]
            let inFirstPage =
                isBackward
                ? (first &+ UInt64(blockCount) &- 1) % pageByteCount + 1 : pageByteCount - first % pageByteCount
            return inFirstPage + UInt64(page - 1) * pageByteCount
        }
    }

    /// Blocks that may be done before an injected fault; 0 when the transfer has come to it.
    func blocksBeforeInjectedFault(_ wanted: UInt64) -> UInt64 {
        guard let fault = injectedFault else { return wanted }
        let reachable = strides.wholeBlocks(in: byteCount(before: fault), of: 0)
        return min(wanted, reachable - min(reachable, UInt64(blocksDone)))
    }

    /// The address of the first byte that an injected fault keeps from the transfer.
    var injectedFaultAddress: LinearAddress {
        let done = UInt64(bytesCompleted)
        let offset = isBackward ? UInt64(blockCount) &- 1 &- done : done
        return LinearAddress(rawValue: addresses[0] &+ offset)
    }
}
