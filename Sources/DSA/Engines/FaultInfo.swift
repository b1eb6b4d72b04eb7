internal import DSASpec
internal import PCIe

/// Records of descriptors that met a page fault: with Fault Info where the device has it (dsa-device 2.1).
extension Device {
    /// The record of the transfer in engine `index`, which has ended.
    func transferRecord(engine index: Int) -> CompletionRecord {
        let transfer = engines[index].transfer
        var record = transfer.completionRecord()
        switch record.status {
        case .pageFault, .pageRequestFailed:
            if profile.general.supportsFaultInfo { record.faultOperand = transfer.faultOperand }
        default:
            break
        }
        return record
    }

    /// 0x1F: the record of the Drain in engine `index` whose readback of `address` faulted.
    func readbackFaultRecord(engine index: Int, at address: LinearAddress) -> CompletionRecord {
        let drain = engines[index].current
        var record = CompletionRecord(status: .readbackPageFault)
        record.faultAddress = address
        if profile.general.supportsFaultInfo {
            let isFirst = drain.flags.contains(.readbackAddress1Valid) && drain.readbackAddress1 == address
            record.faultOperand = isFirst ? .source : .secondSource
        }
        return record
    }
}
