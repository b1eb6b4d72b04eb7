internal import CLoadGenerator
internal import DSASpec
internal import Glibc

/// The operations that a library has a routine for, or a program a loop.
enum DataOperation: String, CaseIterable {
    case move
    case fill
    case compare
    case dualcast
    case crc
    case copyCRC = "copy-crc"
    case difCheck
    case difInsert
    case difStrip
    case difUpdate
    case createDelta
    case applyDelta

    var opcode: Opcode {
        switch self {
        case .move: .memoryMove
        case .fill: .fill
        case .compare: .compare
        case .dualcast: .dualcast
        case .crc: .crcGeneration
        case .copyCRC: .copyWithCRC
        case .difCheck: .difCheck
        case .difInsert: .difInsert
        case .difStrip: .difStrip
        case .difUpdate: .difUpdate
        case .createDelta: .createDeltaRecord
        case .applyDelta: .applyDeltaRecord
        }
    }

    /// What the report calls the routine.
    var library: String {
        switch self {
        case .move: "memcpy"
        case .fill: "memset"
        case .compare: "memcmp"
        case .dualcast: "memcpy twice"
        case .crc: "ISA-L crc32_iscsi"
        case .copyCRC: "memcpy and ISA-L crc32_iscsi"
        case .difCheck: "ISA-L crc16_t10dif"
        case .difInsert, .difStrip, .difUpdate: "ISA-L crc16_t10dif_copy"
        case .createDelta, .applyDelta: "a loop in C"
        }
    }

    /// The most bytes that the operation takes: a delta record counts words of 8 bytes in 16 bits.
    var byteCountMax: Int {
        switch self {
        case .createDelta, .applyDelta: 512 << 10
        default: 1 << 20
        }
    }

    /// Fill's pattern has equal bytes, so that memset can do the same.
    static let fillByte: UInt8 = 0xA5

    /// Data bytes of a block of the DIF operations.
    static let difBlockByteCount = 512

    /// Bytes of the delta record of `byteCount` bytes, of which every other 64 differ: ten for each word of these.
    static func deltaRecordByteCount(of byteCount: Int) -> Int { byteCount / 2 / 8 * 10 }

    /// Does the same with the library.
    ///
    /// - Parameter byteCount: Of data: fields of DIF and delta records come on top.
    func callLibrary(_ buffers: DataBuffers, _ byteCount: Int) {
        let (source, destination) = unsafe (buffers.source, buffers.destination)
        let difBlockCount = byteCount / Self.difBlockByteCount
        switch self {
        case .move: unsafe memcpy(destination, source, byteCount)
        case .fill: unsafe memset(destination, Int32(Self.fillByte), byteCount)
        case .compare: bench_keep(UInt64(bitPattern: Int64(unsafe memcmp(source, destination, byteCount))))
        case .dualcast:
            unsafe memcpy(destination, source, byteCount)
            unsafe memcpy(buffers.destination2, source, byteCount)
        case .crc: bench_keep(UInt64(unsafe bench_crc32c(source, byteCount)))
        case .copyCRC:
            unsafe memcpy(destination, source, byteCount)
            bench_keep(UInt64(unsafe bench_crc32c(source, byteCount)))
        case .difCheck: bench_keep(UInt64(unsafe bench_dif_check(source, difBlockCount)))
        case .difInsert: unsafe bench_dif_insert(destination, source, difBlockCount)
        case .difStrip: bench_keep(UInt64(unsafe bench_dif_strip(destination, source, difBlockCount)))
        case .difUpdate: bench_keep(UInt64(unsafe bench_dif_update(destination, source, difBlockCount)))
        case .createDelta:
            bench_keep(UInt64(unsafe bench_delta_create(source, destination, byteCount, buffers.destination2)))
        case .applyDelta:
            unsafe bench_delta_apply(destination, source, Self.deltaRecordByteCount(of: byteCount))
        }
    }
}

/// The operands of an operation, as they are mapped here: valid while the ``OperationPath`` that they belong to lives.
@safe
struct DataBuffers {
    let source: UnsafeMutableRawPointer
    let destination: UnsafeMutableRawPointer
    let destination2: UnsafeMutableRawPointer
}

extension DataBuffers {
    /// Makes the operands what `operation` is measured on.
    func prepare(for operation: DataOperation, byteCount: Int) {
        let blockCount = byteCount / DataOperation.difBlockByteCount
        switch operation {
        case .compare: unsafe memcpy(destination, source, byteCount)
        case .difCheck, .difStrip, .difUpdate: unsafe bench_dif_insert(source, destination2, blockCount)
        case .createDelta:
            unsafe memcpy(destination, source, byteCount)
            unsafe Self.changeLines(of: destination, byteCount)
        case .applyDelta:
            unsafe memcpy(destination2, destination, byteCount)
            unsafe Self.changeLines(of: destination2, byteCount)
            _ = unsafe bench_delta_create(destination, destination2, byteCount, source)
        case .move, .fill, .dualcast, .crc, .copyCRC, .difInsert: break
        }
    }

    /// Changes every other 64 bytes.
    private static func changeLines(of bytes: UnsafeMutableRawPointer, _ byteCount: Int) {
        for line in stride(from: 0, to: byteCount, by: 128) {
            for offset in line..<line + 64 {
                unsafe bytes.storeBytes(
                    of: ~bytes.load(fromByteOffset: offset, as: UInt8.self), toByteOffset: offset, as: UInt8.self)
            }
        }
    }
}
