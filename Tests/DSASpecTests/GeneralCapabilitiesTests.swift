import DSASpec
import Testing

@Suite("GENCAP")
struct GeneralCapabilitiesTests {
    @Test func `The value of production DSA 1.0 parts decodes as dsa-device 7.8 lists it`() {
        let capabilities = GeneralCapabilities.dsa1
        #expect(capabilities.rawValue == 0x40_915F_0107)
        #expect(capabilities.supportsBlockOnFault)
        #expect(capabilities.supportsOverlappingMoves)
        #expect(capabilities.supportsCacheControl)
        #expect(!capabilities.supportsCacheControlOfFlush)
        #expect(!capabilities.hasCommandCapabilities)
        #expect(!capabilities.supportsDurableWrites)
        #expect(!capabilities.supportsInterDomainOperations)
        #expect(!capabilities.supportsTranslationFetchStride)
        #expect(capabilities.supportsDestinationReadback)
        #expect(!capabilities.supportsDrainReadbackAddresses)
        #expect(!capabilities.supportsWideFillPattern)
        #expect(!capabilities.supportsCRC64)
        #expect(!capabilities.supportsFaultInfo)
        #expect(capabilities.eventLogEntryByteCount == nil)
        #expect(!capabilities.supportsBatchContinuation)
        #expect(capabilities.maximumTransferShift == 31)
        #expect(capabilities.maximumBatchShift == 10)
        #expect(capabilities.interruptMessageStorageEntryCount == 2048)
        #expect(capabilities.supportsConfiguration)
        #expect(!capabilities.supportsBatchOfOne)
    }

    @Test(arguments: [(0, nil), (1, 64), (2, 128), (3, 256)])
    func `Bits 14 to 13 give the size of an event log entry`(field: UInt64, byteCount: Int?) {
        #expect(GeneralCapabilities(rawValue: field << 13).eventLogEntryByteCount == byteCount)
    }

    @Test func `Batch1 is bit 52`() {
        #expect(GeneralCapabilities(rawValue: 1 << 52).supportsBatchOfOne)
        #expect(!GeneralCapabilities(rawValue: ~(1 << 52)).supportsBatchOfOne)
    }
}
