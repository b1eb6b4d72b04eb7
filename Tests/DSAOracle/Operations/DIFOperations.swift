// DIF Check, Insert, Strip and Update: dsa-device §4.5.

extension OperationRun {
    func checkDIF() -> [Ending] {
        runBlocks(DIFBlocks(descriptor, hasSourceTags: true, hasDestinationTags: false, writes: false))
    }

    func insertDIF() -> [Ending] {
        runBlocks(DIFBlocks(descriptor, hasSourceTags: false, hasDestinationTags: true, writes: true))
    }

    func stripDIF() -> [Ending] {
        runBlocks(DIFBlocks(descriptor, hasSourceTags: true, hasDestinationTags: false, writes: true))
    }

    func updateDIF() -> [Ending] {
        runBlocks(DIFBlocks(descriptor, hasSourceTags: true, hasDestinationTags: true, writes: true))
    }

    private func runBlocks(_ blocks: DIFBlocks) -> [Ending] {
        var blocks = blocks
        blocks.masksReportedTag = context.openPoints.masksReportedApplicationTag
        let layout = blocks.layout
        // A rest that is no whole block is left alone where it is not refused.
        for number in 0..<descriptor.size / layout.sourceStride {
            let done = number * layout.sourceStride
            let fault = Ending(0, bytesCompleted: done, low: blocks.sourceWord, high: blocks.destinationWord)
            let source = Operand.read(descriptor.first)
            if let refused = firstRefused(source, from: done, count: layout.sourceStride) {
                return faults([source], at: refused, as: fault)
            }
            let content = bytes(at: descriptor.first + done, count: layout.sourceStride)
            let failure = blocks.failure(of: content, context.openPoints)
            let failed = Ending(
                0x09, result: failure, bytesCompleted: done, low: blocks.sourceWord, high: blocks.destinationWord)
            if blocks.writes {
                let destination = Operand.write(descriptor.second)
                let start = number * layout.destinationStride
                if let refused = firstRefused(destination, from: start, count: layout.destinationStride) {
                    return (failure == 0 ? [] : [failed]) + faults([destination], at: refused, as: fault)
                }
                guard failure == 0 else { return [failed] }
                store(blocks.output(of: content), at: descriptor.second + start)
            }
            guard failure == 0 else { return [failed] }
            blocks.advance()
        }
        return [Ending(0x01, low: blocks.sourceWord, high: blocks.destinationWord)]
    }
}

/// What a DIF operation checks and writes in each block.
private struct DIFBlocks {
    let layout: DIFLayout
    let writes: Bool
    private var source: TagCounter?
    private var destination: TagCounter?
    private let sourceFlags: UInt8
    private let destinationFlags: UInt8
    private let invertsSeed: Bool
    private let invertsResult: Bool
    /// Insert has no field to pass through.
    private let passesThrough: Bool
    /// The record has the application tags without the masked bits.
    var masksReportedTag = false

    init(_ descriptor: RawDescriptor, hasSourceTags: Bool, hasDestinationTags: Bool, writes: Bool) {
        layout = DIFLayout(descriptor)
        self.writes = writes
        sourceFlags = descriptor.bytes[40]
        destinationFlags = descriptor.bytes[41]
        invertsSeed = descriptor.bytes[42] & 0x04 != 0
        invertsResult = descriptor.bytes[42] & 0x08 != 0
        passesThrough = hasSourceTags && hasDestinationTags
        if hasSourceTags {
            source = TagCounter(
                descriptor, at: 48, isReferenceFixed: sourceFlags & 0x80 != 0,
                isApplicationIncrementing: sourceFlags & 0x10 != 0)
        }
        if hasDestinationTags {
            destination = TagCounter(
                descriptor, at: 56, isReferenceFixed: destinationFlags & 0x80 != 0,
                isApplicationIncrementing: destinationFlags & 0x10 != 0)
        }
    }

    var sourceWord: UInt64 { source?.recordWord(masked: masksReportedTag) ?? 0 }
    var destinationWord: UInt64 { destination?.recordWord(masked: masksReportedTag) ?? 0 }

    mutating func advance() {
        source?.advance()
        destination?.advance()
    }

    /// DIF Status of a block, 0 when its checks pass.
    func failure(of content: [UInt8], _ openPoints: OracleContext.OpenPoints) -> UInt8 {
        guard let source else { return 0 }
        let data = Array(content.prefix(Int(layout.blockSize)))
        let field = DIFField(Array(content.suffix(8)))
        let checksGuard = sourceFlags & 0x20 == 0
        let checksApplication = source.mask != 0xFFFF
        let checksReference = sourceFlags & 0x40 == 0

        let isAllF = field == DIFField(guardTag: 0xFFFF, application: 0xFFFF, reference: 0xFFFF_FFFF)
        if isAllF, sourceFlags & 0x03 == 0x03 {
            let isSwitchedOff = !checksGuard && !checksApplication && !checksReference
            if !isSwitchedOff || openPoints.reportsAllFErrorWithoutChecks { return 0x08 }
        }
        let isApplicationF = field.application == 0xFFFF
        if sourceFlags & 0x02 != 0, isAllF { return 0 }
        if sourceFlags & 0x04 != 0, isApplicationF { return 0 }
        if sourceFlags & 0x08 != 0, isApplicationF, field.reference == 0xFFFF_FFFF { return 0 }

        let stored = openPoints.masksStoredApplicationTag ? field.application & ~source.mask : field.application
        var failure: UInt8 = 0
        if checksGuard,
            field.guardTag != guardTag(data, invertsSeed: invertsSeed, invertsResult: invertsResult)
        {
            failure |= 0x01
        }
        if checksApplication, stored != source.maskedApplication { failure |= 0x02 }
        if checksReference, field.reference != source.reference { failure |= 0x04 }
        return failure
    }

    /// What is written for a block whose checks passed.
    func output(of content: [UInt8]) -> [UInt8] {
        let data = Array(content.prefix(Int(layout.blockSize)))
        guard let destination else { return data }
        var field = DIFField(
            guardTag: guardTag(data, invertsSeed: invertsSeed, invertsResult: invertsResult),
            application: destination.maskedApplication, reference: destination.reference)
        if passesThrough {
            let present = DIFField(Array(content.suffix(8)))
            if destinationFlags & 0x40 != 0 { field.reference = present.reference }
            if destinationFlags & 0x20 != 0 { field.guardTag = present.guardTag }
            if destinationFlags & 0x08 != 0 { field.application = present.application }
        }
        return data + field.bytes
    }
}
