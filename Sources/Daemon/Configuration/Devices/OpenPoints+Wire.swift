internal import DSASpec
internal import ProtocolMessages

extension OpenPoints {
    /// Takes over what a checked configuration file says.
    mutating func take(_ wire: WireOpenPointsConfiguration) {
        if wire.hasCheckOrder { checkOrder = wire.checkOrder == .reversed ? .reversed : .listed }
        if wire.hasMissingFlags { missingFlags = wire.missingFlags == .allRequired ? .allRequired : .missingOnly }
        if wire.hasCacheFlushAccess { cacheFlushAccess = wire.cacheFlushAccess == .write ? .write : .read }
        if wire.hasSteeringTags { steeringTags = wire.steeringTags == .acceptedFlags ? .accepted : .reserved }
        if wire.hasErrorBytesCompleted {
            errorBytesCompleted = wire.errorBytesCompleted == .progress ? .progress : .zero
        }
        if wire.hasResetOfDisabledWq {
            resetOfDisabledWorkQueue = wire.resetOfDisabledWq == .notEnabled ? .notEnabled : .success
        }
        if wire.hasAbortedTransfer { abortedTransfer = wire.abortedTransfer == .abandoned ? .abandoned : .completed }
        if wire.hasExpectedResult { expectedResult = wire.expectedResult == .wholeByte ? .wholeByte : .lowBit }
        if wire.hasPartialCompletion {
            partialCompletion = wire.partialCompletion == .everyLine ? .everyLine : .everyByte
        }
        if wire.hasComparePatternOffset {
            comparePatternOffset = wire.comparePatternOffset == .patternStart ? .patternStart : .firstDifference
        }
        if wire.hasInterruptHandleError {
            interruptHandleError = wire.interruptHandleError == .recordOnly ? .recordOnly : .recordAndEvent
        }
        if wire.hasWqcfgStride { workQueueConfigurationStride = wire.wqcfgStride == 64 ? .bytes64 : .bytes32 }
        takeDeltaAndDIF(wire)
    }

    private mutating func takeDeltaAndDIF(_ wire: WireOpenPointsConfiguration) {
        if wire.hasDifTransferSize { difTransferSize = wire.difTransferSize == .anySize ? .anySize : .wholeBlocks }
        if wire.hasDeltaFragment { deltaFragment = wire.deltaFragment == .fragmentRefused ? .refused : .ignored }
        if wire.hasApplicationTagCompare {
            applicationTagCompare = wire.applicationTagCompare == .storedMasked ? .storedMasked : .storedAsIs
        }
        if wire.hasApplicationTagReport {
            applicationTagReport = wire.applicationTagReport == .tagMasked ? .masked : .unmasked
        }
        if wire.hasDifStripNearby { difStripNearby = wire.difStripNearby == .nearbyRefused ? .refused : .allowed }
        if wire.hasAllFWithoutChecks {
            allFWithoutChecks = wire.allFWithoutChecks == .skipped ? .skipped : .reported
        }
    }

    /// All of them as the configuration file writes them.
    var wire: WireOpenPointsConfiguration {
        var wire = WireOpenPointsConfiguration()
        wire.checkOrder = checkOrder == .reversed ? .reversed : .listed
        wire.missingFlags = missingFlags == .allRequired ? .allRequired : .missingOnly
        wire.cacheFlushAccess = cacheFlushAccess == .write ? .write : .read
        wire.steeringTags = steeringTags == .accepted ? .acceptedFlags : .reservedFlags
        wire.errorBytesCompleted = errorBytesCompleted == .progress ? .progress : .zero
        wire.resetOfDisabledWq = resetOfDisabledWorkQueue == .notEnabled ? .notEnabled : .success
        wire.abortedTransfer = abortedTransfer == .abandoned ? .abandoned : .completed
        wire.expectedResult = expectedResult == .wholeByte ? .wholeByte : .lowBit
        wire.partialCompletion = partialCompletion == .everyLine ? .everyLine : .everyByte
        wire.difTransferSize = difTransferSize == .anySize ? .anySize : .wholeBlocks
        wire.deltaFragment = deltaFragment == .refused ? .fragmentRefused : .fragmentIgnored
        wire.applicationTagCompare = applicationTagCompare == .storedMasked ? .storedMasked : .storedAsIs
        wire.applicationTagReport = applicationTagReport == .masked ? .tagMasked : .tagUnmasked
        wire.difStripNearby = difStripNearby == .refused ? .nearbyRefused : .nearbyAllowed
        wire.allFWithoutChecks = allFWithoutChecks == .skipped ? .skipped : .reported
        wire.comparePatternOffset = comparePatternOffset == .patternStart ? .patternStart : .firstDifference
        wire.interruptHandleError = interruptHandleError == .recordOnly ? .recordOnly : .recordAndEvent
        wire.wqcfgStride = UInt32(workQueueConfigurationStride.rawValue)
        return wire
    }
}
