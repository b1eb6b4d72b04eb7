internal import CLoadGenerator
internal import DSA
internal import DSASpec
internal import Glibc
internal import IOMMU
internal import PCIe
internal import Platform

/// What an engine does with a descriptor of a guest process: translate, run, report. Memory, page tables and IOMMU are
/// real, only the queue before it and the record's way to memory are left out.
struct OperationPath: ~Copyable {
    private static let requester = RequesterID(rawValue: 0x6A08)
    private static let pasid = HostPASID(truncating: 1)
    private static let frameCount = 8192

    private let mapping: MemoryMapping
    private let physicalMemory: PhysicalMemory
    private var iommu: IOMMU
    private let secondStage: SecondStageTable
    private var window: TransferWindow
    /// Offsets of the three operands in guest memory.
    private let offsets: (source: Int, destination: Int, destination2: Int)

    /// Three operands of `bufferByteCount`, a multiple of 4096, in shared memory of a guest.
    init(bufferByteCount: Int) throws {
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

    /// The descriptor of `operation` on these operands.
    func descriptor(_ operation: DataOperation, byteCount: Int) -> Descriptor {
        var descriptor = Descriptor()
        descriptor.opcode = operation.opcode
        descriptor.transferSize = UInt32(byteCount)
        descriptor.sourceAddress = address(offsets.source)
        descriptor.destinationAddress = address(offsets.destination)
        if operation == .dualcast { descriptor.destination2Address = address(offsets.destination2) }
        if operation == .fill { descriptor.fillPattern = UInt64(DataOperation.fillByte) &* 0x0101_0101_0101_0101 }
        return descriptor
    }

    /// Carries the descriptor out.
    @discardableResult
    mutating func run(_ descriptor: Descriptor) throws(BenchError) -> CompletionRecord {
        var transfer = Transfer(descriptor)
        while case .ready = transfer.resolve(
            into: &window, iommu: &iommu, memory: physicalMemory, requester: Self.requester, pasid: Self.pasid,
            privileged: false)
        {
            Transfer.run(&window)
            if transfer.absorb(window) == .finished { break }
        }
        let record = transfer.completionRecord()
        guard record.status == .success else { throw BenchError("completion status \(record.status)") }
        return record
    }

    /// Runs once and compares the outcome with the library's.
    mutating func verify(_ operation: DataOperation, _ descriptor: Descriptor, byteCount: Int) throws(BenchError) {
        let buffers = buffers
        if operation == .compare { unsafe memcpy(buffers.destination, buffers.source, byteCount) }
        let record = try run(descriptor)
        let (source, destination) = unsafe (buffers.source, buffers.destination)
        let isRight =
            switch operation {
            case .move: unsafe memcmp(source, destination, byteCount) == 0
            case .fill:
                unsafe UnsafeRawBufferPointer(start: destination, count: byteCount)
                    .allSatisfy { $0 == DataOperation.fillByte }
            case .compare: record.result == 0
            case .dualcast:
                unsafe memcmp(source, destination, byteCount) == 0
                    && memcmp(source, buffers.destination2, byteCount) == 0
            // The device inverts the result, the routine does not.
            case .crc: unsafe record.crcValue == ~bench_crc32c(source, byteCount)
            case .copyCRC:
                unsafe memcmp(source, destination, byteCount) == 0
                    && record.crcValue == ~bench_crc32c(source, byteCount)
            }
        guard isRight else { throw BenchError("\(operation.rawValue): a wrong result") }
    }

    private func address(_ offset: Int) -> LinearAddress {
        LinearAddress(rawValue: GuestPageTables.base + UInt64(offset))
    }
}
