internal import CClient
package import DSASpec
internal import Glibc
internal import Platform
internal import Protocol
internal import ProtocolMessages

/// The client's side of a ring, by the functions that C programs use, and by raw bytes for what they never write.
@safe
package final class RingClient: @unchecked Sendable {
    // @unchecked: the functions of the ring are for any thread, and nothing else changes.

    /// How a submission ended.
    package enum Outcome: Equatable, Sendable {
        case accepted
        case retry
        case invalidOpcode
        case generalProtection
        case pageFault(address: UInt64, code: UInt32)
        case detached
        case unknown(UInt32)
    }

    private let memory: MemoryMapping
    private let bell: OwnedFD
    private let connection: OwnedFD
    private var ring = unsafe swq_ring()

    package static let slotCount = SWQ_RING_SLOTS
    package static let slotByteCount = SWQ_RING_SLOT_BYTES
    package static let slotsOffset = SWQ_RING_SLOTS_OFFSET
    package static let byteCount = SWQ_RING_BYTES

    /// Attaches a ring to a client that is a processor.
    package init(_ client: WireClient) throws {
        let reply: WireAttachRingReturn = try client.call(.attachRing)
        let file = try client.takeDescriptor()
        bell = try client.takeDescriptor()
        memory = try SharedMemory.adopt(file, byteCountMax: Int(reply.size)).map()
        connection = try client.duplicateDescriptor()
        guard
            unsafe swq_ring_open(
                &ring, memory.baseAddress, memory.byteCount, bell.rawValue, connection.rawValue) == 0
        else { throw TestFailure("this is no ring") }
    }

    /// Looks only once before it sleeps.
    package func stopSpinning() { unsafe ring.spins = 0 }

    package func enqcmd(_ descriptor: Descriptor, to destination: UInt64) -> Outcome {
        execute(UInt8(SWQ_RING_ENQCMD.rawValue), descriptor, to: destination)
    }

    package func enqcmds(_ descriptor: Descriptor, to destination: UInt64) -> Outcome {
        execute(UInt8(SWQ_RING_ENQCMDS.rawValue), descriptor, to: destination)
    }

    package func movdir64b(_ descriptor: Descriptor, to destination: UInt64) -> Outcome {
        execute(UInt8(SWQ_RING_MOVDIR64B.rawValue), descriptor, to: destination)
    }

    /// MOVDIR64B that nobody waits for; `false` when the ring is known to be gone.
    package func post(_ descriptor: Descriptor, to destination: UInt64) -> Bool {
        unsafe descriptor.bytes.withUnsafeBytes { unsafe swq_ring_post(&ring, destination, $0.baseAddress) == 0 }
    }

    private func execute(_ kind: UInt8, _ descriptor: Descriptor, to destination: UInt64) -> Outcome {
        var answer = swq_ring_answer()
        let outcome = unsafe descriptor.bytes.withUnsafeBytes {
            unsafe swq_ring_execute(&ring, kind, destination, $0.baseAddress, &answer)
        }
        return switch outcome {
        case SWQ_RING_ACCEPTED.rawValue: .accepted
        case SWQ_RING_RETRY.rawValue: .retry
        case SWQ_RING_INVALID_OPCODE.rawValue: .invalidOpcode
        case SWQ_RING_GENERAL_PROTECTION.rawValue: .generalProtection
        case SWQ_RING_PAGE_FAULT.rawValue: .pageFault(address: answer.fault_address, code: answer.error_code)
        case SWQ_RING_DETACHED.rawValue: .detached
        default: .unknown(outcome)
        }
    }

    // MARK: Raw

    /// Writes anywhere in the ring.
    package func write(_ bytes: [UInt8], at offset: Int) {
        let place = unsafe UnsafeMutableRawBufferPointer(rebasing: memory.bytes[offset..<offset + bytes.count])
        unsafe place.copyBytes(from: bytes)
    }

    /// Writes into a slot.
    package func write(_ bytes: [UInt8], inSlot index: Int, at offset: Int) {
        write(bytes, at: Self.slotsOffset + index * Self.slotByteCount + offset)
    }

    /// The state of a slot.
    package func state(ofSlot index: Int) -> UInt32 {
        unsafe memory.bytes.load(fromByteOffset: Self.slotsOffset + index * Self.slotByteCount, as: UInt32.self)
    }

    /// Fills a slot as a program does that submits by ENQCMD, without publishing it.
    package func fill(_ index: Int, _ descriptor: Descriptor, to destination: UInt64) {
        write([UInt8(SWQ_RING_SUBMITTED.rawValue), 0, 0, 0, UInt8(SWQ_RING_ENQCMD.rawValue)], inSlot: index, at: 0)
        write((0..<8).map { UInt8(truncatingIfNeeded: destination >> ($0 * 8)) }, inSlot: index, at: 16)
        write(descriptor.bytes, inSlot: index, at: 64)
    }

    /// Publishes slots, and rings the bell.
    package func publish(_ slots: UInt64) throws {
        unsafe memory.bytes.storeBytes(of: slots, toByteOffset: 128, as: UInt64.self)
        try ringBell()
    }

    /// Rings the bell.
    package func ringBell(_ count: UInt64 = 1) throws {
        var count = count
        guard unsafe Glibc.write(bell.rawValue, &count, 8) == 8 else { throw SystemError.last("write") }
    }

    /// Makes every read of the bell wait, whoever reads.
    package func makeBellBlocking() throws {
        guard fcntl(bell.rawValue, F_SETFL, 0) == 0 else { throw SystemError.last("fcntl F_SETFL") }
    }
}
