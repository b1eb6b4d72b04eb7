import CKernels
public import DSASpec
public import IOMMU
public import PCIe

/// How the device touches memory that a client may be changing at the same time.
extension PhysicalMemory {
    /// The descriptor at `address`, each byte read once, so that what was checked is what runs. `nil` when any of its
    /// 64 bytes is not memory.
    public func loadDescriptor(at address: HostPhysicalAddress) -> Descriptor? {
        guard let bytes = unsafe pointer(to: address, byteCount: UInt64(Descriptor.byteCount)) else { return nil }
        return unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 8) { words in
            guard let first = words.baseAddress else { preconditionFailure("eight words have an address") }
            unsafe ck_load_descriptor(bytes, first)
            return unsafe Descriptor(loading: first)
        }
    }

    /// Writes `record` at `address`, a multiple of 32, the status last, and returns whether its 32 bytes are memory.
    public func publish(_ record: CompletionRecord, at address: HostPhysicalAddress) -> Bool {
        guard let bytes = unsafe pointer(to: address, byteCount: UInt64(CompletionRecord.byteCount)) else {
            return false
        }
        unsafe ck_publish_record(
            bytes, record.word0.littleEndian, record.word1.littleEndian, record.word2.littleEndian,
            record.word3.littleEndian)
        return true
    }
}
