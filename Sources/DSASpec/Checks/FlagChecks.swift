extension Examination {
    @inline(__always)
    func visitFlags(_ report: (CheckFailure) -> Visit) -> Visit {
        let findings = FlagFindings(descriptor, rule, context)
        return findings.invalid == 0 ? .proceed : findings.visit(report)
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
                ? 0 : FlagMask.steeringTags | (descriptor.opcode == .dualcast ? FlagMask.secondSteeringTag : 0)
            let defined = rule.allowedFlags | rule.capabilityFlags | steeringTags
            undefined = flags & FlagMask.undefined & ~steeringTags
            fence = context.isBatchMember ? 0 : flags & FlagMask.fence
            ofAnotherOperation = flags & ~(defined | FlagMask.undefined | FlagMask.fence)
            let missingCapabilities =
                (capabilities.supportsCacheControl ? 0 : rule.allowedFlags & FlagMask.cacheControl)
                | (capabilities.supportsDestinationReadback ? 0 : FlagMask.destinationReadback)
                | (capabilities.rawValue & rule.capability != 0 ? 0 : rule.capabilityFlags)
            withoutCapability = flags & defined & missingCapabilities
            blockOnFault = context.isBlockOnFaultEnabled ? 0 : flags & defined & FlagMask.blockOnFault
            let hasAddress = flags & FlagMask.recordAddressValid != 0
            withoutAddress = hasAddress ? 0 : flags & (FlagMask.recordRequest | FlagMask.recordClass)
            let isUserMode = context.isPASIDEnabled && !context.isPrivileged(descriptor)
            userModeInterrupt = isUserMode && !context.areUserInterruptsEnabled ? flags & FlagMask.interrupt : 0
            unusedSelectors = flags & defined & rule.unusedSelectors
            let isMissing = rule.requiredFlags & ~flags
            missing =
                isMissing != 0 && context.openPoints.missingFlags == .allRequired ? rule.requiredFlags : isMissing
            let reports = FlagMask.recordRequest | FlagMask.interrupt
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
}
