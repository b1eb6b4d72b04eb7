import PCIe

/// The checks that precede execution (DSA 3.0 §5.4). One pass over ``CheckRule`` serves the device, which wants the
/// first failure, and `swqctl explain`, which wants all.
public enum DescriptorChecks {
    /// The first rule that `descriptor` breaks in the device's order, or `nil` when it may be executed. Allocates
    /// nothing.
    public static func firstFailure(of descriptor: Descriptor, in context: CheckContext) -> CheckFailure? {
        var first: CheckFailure?
        visit(descriptor, context) { failure in
            first = failure
            return context.openPoints.checkOrder == .listed || failure.bypassesRecord ? .stop : .proceed
        }
        return first
    }

    /// Every rule that `descriptor` breaks, in the order of checking. An operation that is not emulated ends the list:
    /// nothing is known about its other bytes.
    public static func allFailures(of descriptor: Descriptor, in context: CheckContext) -> [CheckFailure] {
        var failures: [CheckFailure] = []
        visit(descriptor, context) { failure in
            failures.append(failure)
            return .proceed
        }
        return failures
    }

    private enum Visit {
        case proceed
        case stop
    }

    /// Reports each broken rule in order until `report` returns `.stop`.
    ///
    /// Groups of rules stand behind one test each, so that a valid descriptor passes with about twenty.
    @inline(__always)
    private static func visit(
        _ descriptor: Descriptor, _ context: CheckContext, _ report: (CheckFailure) -> Visit
    ) {
        let flags = descriptor.flags.rawValue
        if context.isShared, !context.isBatchMember, descriptor.isPrivileged, !context.isPrivilegedModeEnabled {
            if report(CheckFailure(.privilegedWithoutMode, bytes: 3...3)) == .stop { return }
        }
        if flags & Flag.recordAddressValid != 0 {
            if descriptor.completionRecordAddress.rawValue & 31 != 0 {
                if report(CheckFailure(.completionRecordMisaligned, bytes: 8...15)) == .stop { return }
            }
            if selectsDisabledClass(flags, selectors: Flag.recordClass, context) {
                if report(CheckFailure(.completionRecordTrafficClass, bytes: 4...6)) == .stop { return }
            }
        }

        let rule = OperationRule(descriptor.opcode, flags: flags)
        if rule == nil || !context.operations.contains(descriptor.opcode) {
            if report(CheckFailure(.unsupportedOperation, bytes: 7...7)) == .stop { return }
        }
        guard let rule else { return }
        if context.isBatchMember, !rule.mayBeBatchMember {
            if report(CheckFailure(.operationInBatch, bytes: 7...7)) == .stop { return }
        }

        let findings = FlagFindings(descriptor, rule, context)
        if findings.invalid != 0 {
            if findings.visit(report) == .stop { return }
        }
        if visitReserved(descriptor, flags, rule, report) == .stop { return }
        if flags & Flag.interrupt != 0 {
            if descriptor.completionInterruptHandle >= context.interruptHandleCount {
                if report(CheckFailure(.interruptHandleOutOfRange, bytes: 36...37)) == .stop { return }
            } else if !context.isInterruptHandleGranted {
                if report(CheckFailure(.interruptHandleNotGranted, bytes: 36...37)) == .stop { return }
            }
        }
        let selectors = rule.allowedFlags & ~rule.unusedSelectors & Flag.addressClasses
        if selectsDisabledClass(flags, selectors: selectors, context) {
            if report(CheckFailure(.trafficClass, bytes: 4...6)) == .stop { return }
        }
        if visitSize(descriptor, rule, context, report) == .stop { return }
        if visitAlignment(descriptor, rule, report) == .stop { return }
        _ = visitOverlap(descriptor, rule, context, report)
    }
}

// MARK: Flags

extension DescriptorChecks {
    /// Masks of ``DescriptorFlags``, as integers for the hot path.
    private enum Flag {
        static var fence: UInt32 { 1 << 0 }
        static var blockOnFault: UInt32 { 1 << 1 }
        static var recordAddressValid: UInt32 { 1 << 2 }
        static var recordRequest: UInt32 { 1 << 3 }
        static var interrupt: UInt32 { 1 << 4 }
        static var cacheControl: UInt32 { 1 << 8 }
        static var addressClasses: UInt32 { 0b111 << 9 }
        static var recordClass: UInt32 { 1 << 12 }
        static var destinationReadback: UInt32 { 1 << 14 }
        /// Never defined before DSA 3.0, or removed with DSA 2.0.
        static var undefined: UInt32 { 1 << 5 | 1 << 6 | 1 << 15 }
        /// DSA 1: of the completion record and of the destination.
        static var steeringTags: UInt32 { 1 << 5 | 1 << 15 }
        /// DSA 1: of a Dualcast's second destination.
        static var secondSteeringTag: UInt32 { 1 << 16 }
    }

    /// The invalid flags of one descriptor, by the rule they break. A flag counts for the first rule only.
    private struct FlagFindings {
        var undefined: UInt32
        var fence: UInt32
        var ofAnotherOperation: UInt32
        var withoutCapability: UInt32
        var blockOnFault: UInt32
        var withoutAddress: UInt32
        var userModeInterrupt: UInt32
        var unusedSelectors: UInt32
        var missing: UInt32
        var missingDrainReport: UInt32

        @inline(__always)
        init(_ descriptor: Descriptor, _ rule: OperationRule, _ context: CheckContext) {
            let flags = descriptor.flags.rawValue
            let capabilities = context.generalCapabilities
            let steeringTags =
                context.openPoints.steeringTags == .reserved
                ? 0 : Flag.steeringTags | (descriptor.opcode == .dualcast ? Flag.secondSteeringTag : 0)
            let defined = rule.allowedFlags | rule.capabilityFlags | steeringTags
            undefined = flags & Flag.undefined & ~steeringTags
            fence = context.isBatchMember ? 0 : flags & Flag.fence
            ofAnotherOperation = flags & ~(defined | Flag.undefined | Flag.fence)
            let missingCapabilities =
                (capabilities.supportsCacheControl ? 0 : rule.allowedFlags & Flag.cacheControl)
                | (capabilities.supportsDestinationReadback ? 0 : Flag.destinationReadback)
                | (capabilities.rawValue & rule.capability != 0 ? 0 : rule.capabilityFlags)
            withoutCapability = flags & defined & missingCapabilities
            blockOnFault = context.isBlockOnFaultEnabled ? 0 : flags & defined & Flag.blockOnFault
            let hasAddress = flags & Flag.recordAddressValid != 0
            withoutAddress = hasAddress ? 0 : flags & (Flag.recordRequest | Flag.recordClass)
            let isUserMode = context.isPASIDEnabled && !context.isPrivileged(descriptor)
            userModeInterrupt = isUserMode && !context.areUserInterruptsEnabled ? flags & Flag.interrupt : 0
            unusedSelectors = flags & defined & rule.unusedSelectors
            let isMissing = rule.requiredFlags & ~flags
            missing =
                isMissing != 0 && context.openPoints.missingFlags == .allRequired ? rule.requiredFlags : isMissing
            let reports = Flag.recordRequest | Flag.interrupt
            missingDrainReport = descriptor.opcode == .drain && flags & reports == 0 ? reports : 0
        }

        /// All of them: the record's Invalid Flags.
        @inline(__always) var invalid: UInt32 {
            undefined | fence | ofAnotherOperation | withoutCapability | blockOnFault | withoutAddress
                | userModeInterrupt | unusedSelectors | missing | missingDrainReport
        }

        @inline(never)
        func visit(_ report: (CheckFailure) -> Visit) -> Visit {
            if test(.undefinedFlag, undefined, report) == .stop { return .stop }
            if test(.fenceOutsideBatch, fence, report) == .stop { return .stop }
            if test(.flagOfAnotherOperation, ofAnotherOperation, report) == .stop { return .stop }
            if test(.flagWithoutCapability, withoutCapability, report) == .stop { return .stop }
            if test(.blockOnFaultDisabled, blockOnFault, report) == .stop { return .stop }
            if test(.recordFlagWithoutAddress, withoutAddress, report) == .stop { return .stop }
            if test(.userModeInterrupt, userModeInterrupt, report) == .stop { return .stop }
            if test(.selectorOfUnusedAddress, unusedSelectors, report) == .stop { return .stop }
            if test(.missingRecordRequest, missing, report) == .stop { return .stop }
            return test(.missingDrainReport, missingDrainReport, report)
        }

        private func test(_ rule: CheckRule, _ flags: UInt32, _ report: (CheckFailure) -> Visit) -> Visit {
            flags == 0 ? .proceed : report(CheckFailure(rule, flags: flags, invalidFlags: invalid, bytes: 4...6))
        }
    }

    /// Whether one of the used `selectors` picks a traffic class that is not enabled.
    @inline(__always)
    private static func selectsDisabledClass(_ flags: UInt32, selectors: UInt32, _ context: CheckContext) -> Bool {
        !context.isTrafficClassAEnabled && ~flags & selectors != 0
            || !context.isTrafficClassBEnabled && flags & selectors != 0
    }
}

// MARK: Reserved bytes

extension DescriptorChecks {
    @inline(__always)
    private static func visitReserved(
        _ descriptor: Descriptor, _ flags: UInt32, _ rule: OperationRule, _ report: (CheckFailure) -> Visit
    ) -> Visit {
        if flags & Flag.recordAddressValid == 0, descriptor.completionRecordAddress.rawValue != 0 {
            if report(CheckFailure(.completionRecordAddressReserved, bytes: 8...15)) == .stop { return .stop }
        }
        if flags & Flag.interrupt == 0, descriptor.completionInterruptHandle != 0 {
            if report(CheckFailure(.interruptHandleReserved, bytes: 36...37)) == .stop { return .stop }
        }
        let always = rule.reserved
        let byFlags = rule.reservedByFlags
        let nonZero =
            descriptor.word2 & (always.word2 | byFlags.word2) | descriptor.word3 & (always.word3 | byFlags.word3)
            | descriptor.word4 & (always.word4 | byFlags.word4) | descriptor.word5 & (always.word5 | byFlags.word5)
            | descriptor.word6 & (always.word6 | byFlags.word6) | descriptor.word7 & (always.word7 | byFlags.word7)
        guard nonZero != 0 else { return .proceed }
        if visitBytes(descriptor, always, .reservedByte, report) == .stop { return .stop }
        return visitBytes(descriptor, byFlags, .byteReservedByFlag, report)
    }

    /// Reports each word that has reserved bits set, with the bytes from its first to its last such bit.
    @inline(never)
    private static func visitBytes(
        _ descriptor: Descriptor, _ reserved: ReservedBytes, _ rule: CheckRule, _ report: (CheckFailure) -> Visit
    ) -> Visit {
        for word in 2..<8 {
            let mask =
                switch word {
                case 2: reserved.word2
                case 3: reserved.word3
                case 4: reserved.word4
                case 5: reserved.word5
                case 6: reserved.word6
                default: reserved.word7
                }
            let bits = descriptor[word: word] & mask
            guard bits != 0 else { continue }
            let first = word * 8 + bits.trailingZeroBitCount / 8
            let last = word * 8 + 7 - bits.leadingZeroBitCount / 8
            let bytes = UInt8(truncatingIfNeeded: first)...UInt8(truncatingIfNeeded: last)
            if report(CheckFailure(rule, bytes: bytes)) == .stop { return .stop }
        }
        return .proceed
    }
}

// MARK: Sizes and addresses

extension DescriptorChecks {
    @inline(__always)
    private static func visitSize(
        _ descriptor: Descriptor, _ rule: OperationRule, _ context: CheckContext, _ report: (CheckFailure) -> Visit
    ) -> Visit {
        let size = UInt64(descriptor.transferSize)
        switch rule.size {
        case .reserved:
            return .proceed
        case .transferSize:
            if size == 0 { return report(CheckFailure(.transferSizeZero, bytes: 32...35)) }
            guard size > 1 << UInt64(context.maximumTransferShift) else { return .proceed }
            return report(CheckFailure(.transferSizeAboveMaximum, bytes: 32...35))
        case .descriptorCount:
            if size < (context.generalCapabilities.supportsBatchOfOne ? 1 : 2) {
                return report(CheckFailure(.descriptorCountBelowMinimum, bytes: 32...35))
            }
            guard size > 1 << UInt64(context.maximumBatchShift) else { return .proceed }
            return report(CheckFailure(.descriptorCountAboveMaximum, bytes: 32...35))
        }
    }

    @inline(__always)
    private static func visitAlignment(
        _ descriptor: Descriptor, _ rule: OperationRule, _ report: (CheckFailure) -> Visit
    ) -> Visit {
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
        case .crcSeed:
            guard descriptor.crcSeedAddress.rawValue & 3 != 0 else { return .proceed }
            return report(CheckFailure(.crcSeedMisaligned, bytes: 48...55))
        }
    }

    @inline(__always)
    private static func visitOverlap(
        _ descriptor: Descriptor, _ rule: OperationRule, _ context: CheckContext, _ report: (CheckFailure) -> Visit
    ) -> Visit {
        let size = UInt64(descriptor.transferSize)
        let source = descriptor.sourceAddress.rawValue
        let destination = descriptor.destinationAddress.rawValue
        switch rule.overlap {
        case .free:
            return .proceed
        case .memoryMove:
            guard !context.generalCapabilities.supportsOverlappingMoves, overlap(source, destination, size) else {
                return .proceed
            }
            return report(CheckFailure(.overlappingMove, bytes: 16...31))
        case .sourceAndDestination:
            guard overlap(source, destination, size) else { return .proceed }
            return report(CheckFailure(.overlappingBuffers, bytes: 16...31))
        case .dualcast:
            let destination2 = descriptor.destination2Address.rawValue
            if overlap(source, destination, size) {
                if report(CheckFailure(.overlappingBuffers, bytes: 16...31)) == .stop { return .stop }
            }
            if overlap(source, destination2, size) {
                if report(CheckFailure(.overlappingBuffers, bytes: 16...47)) == .stop { return .stop }
            }
            guard overlap(destination, destination2, size) else { return .proceed }
            return report(CheckFailure(.overlappingBuffers, bytes: 24...47))
        }
    }

    /// Whether `size` bytes at `left` and at `right` share one. A range that passes 2^64 does not come round to 0: it
    /// is the execution that faults there.
    @inline(__always)
    private static func overlap(_ left: UInt64, _ right: UInt64, _ size: UInt64) -> Bool {
        left <= right ? right - left < size : left - right < size
    }
}
