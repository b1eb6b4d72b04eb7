import PCIe

// MARK: Alignment

extension Examination {
    @inline(__always)
    func visitAlignment(_ report: (CheckFailure) -> Visit) -> Visit {
        switch rule.alignment {
        case .free:
            return .proceed
        case .descriptorList:
            guard descriptor.descriptorListAddress.rawValue & 63 != 0 else { return .proceed }
            return report(CheckFailure(.descriptorListMisaligned, bytes: 16...23))
        case .dualcast:
            let difference = descriptor.destinationAddress.rawValue ^ descriptor.destination2Address.rawValue
            guard difference & 0xFFF != 0 else { return .proceed }
            return report(CheckFailure(.dualcastMisaligned, bytes: 40...47))
        case .deltaSources:
            if descriptor.sourceAddress.rawValue & 7 != 0 {
                if report(CheckFailure(.deltaMisaligned, bytes: 16...23)) == .stop { return .stop }
            }
            return visitDeltaDestination(report)
        case .deltaDestination:
            return visitDeltaDestination(report)
        case .crcSeed:
            guard descriptor.crcSeedAddress.rawValue & 3 != 0 else { return .proceed }
            return report(CheckFailure(.crcSeedMisaligned, bytes: 48...55))
        case .crc64Seed:
            guard descriptor.crcSeedAddress.rawValue & 7 != 0 else { return .proceed }
            return report(CheckFailure(.crcSeedMisaligned, bytes: 48...55))
        case .regionStride:
            let stride = descriptor.regionStride
            guard stride == 0 || !stride.isMultiple(of: 4096) else { return .proceed }
            return report(CheckFailure(.regionStride, bytes: 48...51))
        }
    }

    /// What both delta operations have at the same place: source 2 or destination, and the Transfer Size.
    @inline(__always)
    private func visitDeltaDestination(_ report: (CheckFailure) -> Visit) -> Visit {
        if descriptor.destinationAddress.rawValue & 7 != 0 {
            if report(CheckFailure(.deltaMisaligned, bytes: 24...31)) == .stop { return .stop }
        }
        guard !descriptor.transferSize.isMultiple(of: DeltaRecord.blockByteCount) else { return .proceed }
        return report(CheckFailure(.deltaMisaligned, bytes: 32...35))
    }
}

// MARK: Overlap

/// Where a buffer lies.
private struct ByteRange {
    let start: UInt64
    let byteCount: UInt64

    @inline(__always)
    init(_ address: LinearAddress, _ byteCount: UInt64) {
        start = address.rawValue
        self.byteCount = byteCount
    }

    /// Whether the ranges share a byte. One that passes 2^64 does not come round to 0: it is the execution that faults
    /// there.
    @inline(__always)
    func overlaps(_ other: ByteRange) -> Bool {
        start <= other.start ? other.start - start < byteCount : start - other.start < other.byteCount
    }
}

extension Examination {
    @inline(__always)
    func visitOverlap(_ report: (CheckFailure) -> Visit) -> Visit {
        let size = UInt64(descriptor.transferSize)
        let source = ByteRange(descriptor.sourceAddress, size)
        let destination = ByteRange(descriptor.destinationAddress, size)
        switch rule.overlap {
        case .free:
            return .proceed
        case .memoryMove:
            guard !context.generalCapabilities.supportsOverlappingMoves, source.overlaps(destination) else {
                return .proceed
            }
            return report(CheckFailure(.overlappingMove, bytes: 16...31))
        case .sourceAndDestination:
            return visit(source, destination, bytes: 16...31, report)
        case .dualcast:
            let destination2 = ByteRange(descriptor.destination2Address, size)
            if visit(source, destination, bytes: 16...31, report) == .stop { return .stop }
            if visit(source, destination2, bytes: 16...47, report) == .stop { return .stop }
            return visit(destination, destination2, bytes: 24...47, report)
        case .createDelta:
            let record = ByteRange(descriptor.deltaRecordAddress, UInt64(descriptor.maximumDeltaRecordSize))
            if visit(source, record, bytes: 16...47, report) == .stop { return .stop }
            return visit(destination, record, bytes: 24...47, report)
        case .applyDelta:
            let record = ByteRange(descriptor.sourceAddress, UInt64(descriptor.deltaRecordSize))
            return visit(record, destination, bytes: 16...31, report)
        case .difInsert:
            let grown = ByteRange(descriptor.destinationAddress, size + difFieldsByteCount)
            return visit(source, grown, bytes: 16...31, report)
        case .difStrip:
            let isNearbyRefused = context.openPoints.difStripNearby == .refused
            let shrunk = isNearbyRefused ? size + 1 : size - difFieldsByteCount
            return visit(source, ByteRange(descriptor.destinationAddress, shrunk), bytes: 16...31, report)
        }
    }

    /// Bytes of the fields of all whole blocks.
    @inline(__always) private var difFieldsByteCount: UInt64 {
        UInt64(descriptor.transferSize / difBlockByteCount) * UInt64(DIFFlags.fieldByteCount)
    }

    @inline(__always)
    private func visit(
        _ left: ByteRange, _ right: ByteRange, bytes: ClosedRange<UInt8>, _ report: (CheckFailure) -> Visit
    ) -> Visit {
        left.overlaps(right) ? report(CheckFailure(.overlappingBuffers, bytes: bytes)) : .proceed
    }
}
