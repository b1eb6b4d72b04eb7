internal import DSASpec
internal import ProtocolMessages

extension OpenPoints {
    /// The suggested choices, and over them what a checked configuration file says.
    init(_ wire: WireOpenPointsConfiguration) {
        self.init()
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
        return wire
    }
}
