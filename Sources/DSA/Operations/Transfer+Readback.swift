import DSASpec
public import PCIe

extension Transfer {
    /// What Destination Readback reads of an operation that has succeeded: the last byte that it wrote, or flushed, in
    /// each of its destinations (dsa-device §1.2). Dualcast has two; an operation that wrote nothing has none.
    public var readbackAddresses: [LinearAddress] {
        switch (kind, state) {
        case (.fill, _), (.cacheFlush, _):
            [lastByte(of: 0, byteCount: UInt64(blockCount))]
        case (.createDelta, .createDelta(let creation)):
            creation.size == 0 ? [] : [lastByte(of: 2, byteCount: UInt64(creation.size))]
        case (.applyDelta, .applyDelta(let application)):
            application.nextBlock == 0
                ? [] : [lastByte(of: 1, byteCount: UInt64(application.nextBlock) * UInt64(DeltaRecord.blockByteCount))]
        case (.dualcast, _):
            [lastByte(of: 1, byteCount: UInt64(blockCount)), lastByte(of: 2, byteCount: UInt64(blockCount))]
        case (.memoryMove, _), (.copyWithCRC, _), (.difInsert, _), (.difStrip, _), (.difUpdate, _):
            [lastByte(of: 1, byteCount: UInt64(blockCount) * strides[1])]
        default:
            []
        }
    }

    /// Whether the transfer has ended with all that was asked for done: 0x01 or 0x02.
    @inline(__always) var hasSucceeded: Bool { status == .success || status == .successFalsePredicate }

    /// Lets the failure of Destination Readback count: 0x21 instead of success. All data are where they belong.
    ///
    /// - Precondition: The transfer has succeeded.
    public mutating func failReadback() {
        precondition(hasSucceeded, "only a success is read back")
        status = .hardwareErrorOnWrite
    }

    private func lastByte(of operand: Int, byteCount: UInt64) -> LinearAddress {
        LinearAddress(rawValue: addresses[operand]).advanced(by: byteCount - 1)
    }
}
