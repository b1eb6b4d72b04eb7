import CKernels
public import DSASpec
public import IOMMU
public import PCIe

/// Short operations whose every buffer lies in one piece: translated, carried out and reported in one go.
///
/// It is the way of most descriptors, and as short as it can be: no ``Transfer``, no window, one kernel. What it cannot
/// do it leaves alone, and the descriptor goes the general way; what it does ends as it would have there.
public enum ShortOperation {
    /// The most bytes that an operation may have: what the caller of a step does on its own thread.
    static let byteCountMax = UInt32(Device.inlineWindowByteCountMax)

    /// Carries `descriptor` out and returns its record, or returns `nil` with nothing done: when it is long, does
    /// something else than to move, fill, compare or sum up bytes, or asks for more than that; or when a buffer lies in
    /// several pieces or cannot be accessed as a whole.
    ///
    /// - Precondition: ``DescriptorChecks`` found nothing.
    /// - Parameters:
    ///   - pasid: The PASID of the descriptor or its WQ; `nil` for a WQ without PASID.
    ///   - privileged: The descriptor's Priv.
    ///   - deviceTLB: Where the translations are to be found. What is not there is asked for by windows, and there the
    ///     next time.
    public static func run(
        _ descriptor: Descriptor, memory: PhysicalMemory, requester: RequesterID, pasid: HostPASID?, privileged: Bool,
        deviceTLB: DeviceTLBReference
    ) -> CompletionRecord? {
        let byteCount = descriptor.transferSize
        guard byteCount <= byteCountMax, descriptor.flags.isDisjoint(with: [.destinationReadback, .checkResult]) else {
            return nil
        }
        let count = Int(byteCount)
        let source = descriptor.sourceAddress.rawValue
        let destination = descriptor.destinationAddress.rawValue
        let buffers = BufferLocator(
            memory: memory, requester: requester, pasid: pasid, privileged: privileged, deviceTLB: deviceTLB)
        let size = UInt64(byteCount)
        var record = CompletionRecord(status: .success)
        switch descriptor.opcode {
        case .memoryMove:
            // Where it would run from the end, its pages are looked at from there.
            guard destination &- source >= UInt64(byteCount) || destination == source,
                let from = unsafe buffers.readable(source, size),
                let to = unsafe buffers.writable(destination, size)
            else { return nil }
            unsafe ck_move(to, from, count)
        case .fill:
            guard let to = unsafe buffers.writable(destination, size) else { return nil }
            unsafe FillPattern(ofFill: descriptor).fill(to, count, phase: 0)
        case .compare:
            guard let first = unsafe buffers.readable(source, size),
                let second = unsafe buffers.readable(destination, size)
            else { return nil }
            let equalCount = unsafe ck_first_difference(first, second, count)
            if equalCount < count {
                record.result = 1
                record.bytesCompleted = UInt32(truncatingIfNeeded: equalCount)
            }
        case .dualcast:
            guard let from = unsafe buffers.readable(source, size),
                let to = unsafe buffers.writable(destination, size),
                let also = unsafe buffers.writable(descriptor.destination2Address.rawValue, size)
            else { return nil }
            unsafe ck_dualcast(to, also, from, count)
        case .crcGeneration, .copyWithCRC:
            var crc = CRCProgress(descriptor)
            guard !crc.awaitsSeed, let from = unsafe buffers.readable(source, size) else { return nil }
            if descriptor.opcode == .copyWithCRC {
                guard let to = unsafe buffers.writable(destination, size) else { return nil }
                unsafe crc.copy(from, to: to, count)
            } else {
                unsafe crc.update(from, count)
            }
            record.crc64Value = crc.value
        default:
            return nil
        }
        return record
    }
}

/// Finds the buffers of one operation.
struct BufferLocator {
    private let memory: PhysicalMemory
    private let request: TranslationRequest
    private let deviceTLB: DeviceTLBReference

    @inline(__always)
    init(
        memory: PhysicalMemory, requester: RequesterID, pasid: HostPASID?, privileged: Bool,
        deviceTLB: DeviceTLBReference
    ) {
        self.memory = memory
        request = TranslationRequest(
            requester: requester, pasid: pasid, address: LinearAddress(rawValue: 0), isWrite: false,
            isPrivileged: privileged)
        self.deviceTLB = deviceTLB
    }

    /// The `byteCount` bytes at `address`, if they lie in one piece and may be read.
    @inline(__always)
    func readable(_ address: UInt64, _ byteCount: UInt64) -> UnsafeMutableRawPointer? {
        var access = request
        access.address = LinearAddress(rawValue: address)
        return unsafe deviceTLB.location(access, byteCount: byteCount, in: memory)
    }

    /// The same of bytes that may be written.
    @inline(__always)
    func writable(_ address: UInt64, _ byteCount: UInt64) -> UnsafeMutableRawPointer? {
        var access = request
        access.address = LinearAddress(rawValue: address)
        access.isWrite = true
        return unsafe deviceTLB.location(access, byteCount: byteCount, in: memory)
    }
}
