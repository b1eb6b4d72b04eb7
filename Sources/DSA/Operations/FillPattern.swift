import CKernels
import DSASpec

/// The pattern of Fill or Compare Pattern: 8 bytes, or 16 of a Fill of DSA 2.0.
struct FillPattern: Sendable, BitwiseCopyable {
    let low: UInt64
    /// The same as ``low`` when the pattern has 8 bytes.
    let high: UInt64

    @inline(__always)
    init(ofFill descriptor: Descriptor) {
        low = descriptor.fillPattern
        high = descriptor.flags.contains(.widePattern) ? descriptor.fillPatternHigh : low
    }

    @inline(__always)
    init(ofCompare descriptor: Descriptor) {
        low = descriptor.comparePattern
        high = low
    }

    /// Fills `count` bytes as the pattern continues at byte `phase`.
    @inline(__always)
    func fill(_ destination: UnsafeMutableRawPointer, _ count: Int, phase: Int) {
        let phase = UInt64(truncatingIfNeeded: phase)
        if high == low {
            unsafe ck_fill(destination, count, low, phase)
        } else {
            unsafe ck_fill_wide(destination, count, low, high, phase)
        }
    }
}
