internal import CLoadGenerator
internal import DSASpec
internal import Glibc

/// The operations that a library has a routine for.
enum DataOperation: String, CaseIterable {
    case move
    case fill
    case compare
    case dualcast
    case crc
    case copyCRC = "copy-crc"

    var opcode: Opcode {
        switch self {
        case .move: .memoryMove
        case .fill: .fill
        case .compare: .compare
        case .dualcast: .dualcast
        case .crc: .crcGeneration
        case .copyCRC: .copyWithCRC
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
        }
    }

    /// Fill's pattern has equal bytes, so that memset can do the same.
    static let fillByte: UInt8 = 0xA5

    /// Does the same with the library.
    func callLibrary(_ buffers: DataBuffers, _ byteCount: Int) {
        let (source, destination) = unsafe (buffers.source, buffers.destination)
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
