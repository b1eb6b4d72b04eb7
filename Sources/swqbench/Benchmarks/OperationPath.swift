internal import CLoadGenerator
internal import DSA
internal import DSASpec
internal import Glibc
internal import IOMMU
internal import PCIe
internal import Platform

/// What an engine does with a descriptor of a guest process: translate, run, write the record. Memory, page tables and
/// IOMMU are real, only the queue before it is left out.
struct OperationPath: ~Copyable {
    private static let requester = RequesterID(rawValue: 0x6A08)
    private static let pasid = HostPASID(truncating: 1)
    private static let frameCount = 8192

    private let mapping: MemoryMapping
    private let physicalMemory: PhysicalMemory
    private var iommu: IOMMU
    private let deviceTLB = DeviceTLB()
    private let secondStage: SecondStageTable
    private var window: TransferWindow
    /// Offsets of the three operands in guest memory.
    private let offsets: (source: Int, destination: Int, destination2: Int)
    /// The offset of the completion record.
    private let recordOffset: Int

    /// Three operands for `dataByteCount` bytes of data, and the fields of DIF between them, in shared memory of a
    /// guest.
    init(dataByteCount: Int) throws {
        let bufferByteCount = (dataByteCount + dataByteCount / 64 + 4095) / 4096 * 4096
        let byteCount = 3 * bufferByteCount + (2 << 20)
        let tables = GuestPageTables(byteCount: byteCount)
        let first = tables.byteCount
        let mapping = try SharedMemory.create(name: "swqbench", byteCount: byteCount).map()
        unsafe tables.write(to: mapping.bytes)
        let content = unsafe UnsafeMutableRawBufferPointer(rebasing: mapping.bytes[first...])
        for index in content.indices { unsafe content[index] = UInt8(truncatingIfNeeded: index &* 251 >> 3) }

        let physicalMemory = PhysicalMemory(frameCount: Self.frameCount)
        guard let region = unsafe physicalMemory.addRegion(base: mapping.baseAddress, byteCount: UInt64(byteCount)),
            var iommu = IOMMU(memory: physicalMemory), var secondStage = SecondStageTable(memory: physicalMemory),
            iommu.enableRequester(Self.requester)
        else { throw BenchError("out of frames") }
        try secondStage.map(
            GuestPhysicalAddress(rawValue: GuestPageTables.base), to: region, byteCount: UInt64(byteCount),
            permission: .readWrite)
        let translation = secondStage.nested(
            firstStage: GuestPhysicalAddress(rawValue: tables.root), levels: .four)
        guard
            iommu.setEntry(
                requester: Self.requester, pasid: Self.pasid, translation: translation, domain: DomainID(rawValue: 1))
        else { throw BenchError("out of frames") }
        offsets = (first, first + bufferByteCount, first + 2 * bufferByteCount)
        recordOffset = first + 3 * bufferByteCount
        window = TransferWindow()
        self.mapping = consume mapping
        self.physicalMemory = physicalMemory
        self.iommu = consume iommu
        self.secondStage = consume secondStage
    }

    var buffers: DataBuffers {
        unsafe DataBuffers(
            source: mapping.baseAddress + offsets.source, destination: mapping.baseAddress + offsets.destination,
            destination2: mapping.baseAddress + offsets.destination2)
    }

    /// The descriptor of `operation` on `byteCount` bytes of data in these operands.
    func descriptor(_ operation: DataOperation, byteCount: Int) -> Descriptor {
        var descriptor = Descriptor()
        descriptor.opcode = operation.opcode
        descriptor.flags = [.completionRecordAddressValid, .requestCompletionRecord]
        descriptor.completionRecordAddress = address(recordOffset)
        descriptor.transferSize = UInt32(byteCount)
        descriptor.sourceAddress = address(offsets.source)
        descriptor.destinationAddress = address(offsets.destination)
        let tags = DIFTags(
            reference: UInt32(BENCH_DIF_REFERENCE_TAG), applicationMask: 0,
            application: UInt16(BENCH_DIF_APPLICATION_TAG))
        switch operation {
        case .move, .compare, .crc, .copyCRC: break
        case .fill: descriptor.fillPattern = UInt64(DataOperation.fillByte) &* 0x0101_0101_0101_0101
        case .dualcast: descriptor.destination2Address = address(offsets.destination2)
        case .difInsert: descriptor.destinationDIFTags = tags
        case .difCheck, .difStrip, .difUpdate:
            let fields = byteCount / DataOperation.difBlockByteCount * Int(DIFFlags.fieldByteCount)
            descriptor.transferSize = UInt32(byteCount + fields)
            descriptor.sourceDIFTags = tags
            if operation == .difUpdate { descriptor.destinationDIFTags = tags }
        case .createDelta:
            descriptor.deltaRecordAddress = address(offsets.destination2)
            descriptor.maximumDeltaRecordSize = UInt32(byteCount)
        case .applyDelta: descriptor.deltaRecordSize = UInt32(DataOperation.deltaRecordByteCount(of: byteCount))
        }
        return descriptor
    }

    /// Carries the descriptor out.
    @discardableResult
    mutating func run(_ descriptor: Descriptor) throws(BenchError) -> CompletionRecord {
        let record = carryOut(descriptor)
        let translation = deviceTLB.reference.translate(
            TranslationRequest(
                requester: Self.requester, pasid: Self.pasid, address: descriptor.completionRecordAddress,
                isWrite: true, isPrivileged: false), &iommu)
        guard case .translated(let target, _) = translation, physicalMemory.publish(record, at: target) else {
            throw BenchError("the record cannot be written")
        }
        guard record.status == .success else { throw BenchError("completion status \(record.status)") }
        return record
    }

    private mutating func carryOut(_ descriptor: Descriptor) -> CompletionRecord {
        let short = ShortOperation.run(
            descriptor, memory: physicalMemory, requester: Self.requester, pasid: Self.pasid, privileged: false,
            deviceTLB: deviceTLB.reference)
        if let short { return short }
        var transfer = Transfer(descriptor, deviceTLB: deviceTLB.reference)
        let isDone = transfer.runDirectly(
            memory: physicalMemory, requester: Self.requester, pasid: Self.pasid, privileged: false)
        if !isDone { runWindows(of: &transfer) }
        return transfer.completionRecord()
    }

    private mutating func runWindows(of transfer: inout Transfer) {
        while case .ready = transfer.resolve(
            into: &window, iommu: &iommu, memory: physicalMemory, requester: Self.requester, pasid: Self.pasid,
            privileged: false)
        {
            Transfer.run(&window)
            if transfer.absorb(window) == .finished { break }
        }
    }

    /// Runs once and compares the outcome with the library's. The operands are prepared.
    mutating func verify(_ operation: DataOperation, _ descriptor: Descriptor, byteCount: Int) throws(BenchError) {
        let buffers = buffers
        let record = try run(descriptor)
        let written = unsafe copy(operation == .createDelta ? buffers.destination2 : buffers.destination, byteCount)
        operation.callLibrary(buffers, byteCount)
        let expected = unsafe copy(operation == .createDelta ? buffers.destination2 : buffers.destination, byteCount)
        var isRight = written == expected
        switch operation {
        case .compare: isRight = record.result == 0
        case .dualcast: isRight = unsafe isRight && memcmp(buffers.source, buffers.destination2, byteCount) == 0
        // The device inverts the result, the routine does not.
        case .crc, .copyCRC:
            isRight = unsafe isRight && record.crcValue == ~bench_crc32c(buffers.source, byteCount)
        case .createDelta:
            isRight = isRight && record.deltaRecordSize == DataOperation.deltaRecordByteCount(of: byteCount)
        case .applyDelta: isRight = unsafe memcmp(buffers.destination, buffers.destination2, byteCount) == 0
        case .move, .fill, .difCheck, .difInsert, .difStrip, .difUpdate: break
        }
        guard isRight else { throw BenchError("\(operation.rawValue): a wrong result") }
    }

    private func copy(_ bytes: UnsafeMutableRawPointer, _ byteCount: Int) -> [UInt8] {
        unsafe Array(UnsafeRawBufferPointer(start: bytes, count: byteCount))
    }

    private func address(_ offset: Int) -> LinearAddress {
        LinearAddress(rawValue: GuestPageTables.base + UInt64(offset))
    }
}
