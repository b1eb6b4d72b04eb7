internal import Glibc

/// How much the long property tests do. `SWQD_PROPERTY_SCALE` is the part of it, over 0 and at most 1: the sanitizers'
/// builds, which are many times slower, set it (see the Makefile). Without it, all.
package enum PropertyScale {
    /// The part; 1 when the variable is not set or makes no sense.
    package static let part: Double = {
        guard let text = unsafe getenv("SWQD_PROPERTY_SCALE"), let part = unsafe Double(String(cString: text)),
            part > 0, part <= 1
        else { return 1 }
        print("SWQD_PROPERTY_SCALE=\(part)")
        return part
    }()

    /// So much of `count`, at least 1.
    package static func of(_ count: Int) -> Int { max(1, Int(Double(count) * part)) }

    /// Seeds from 0, as many of `count` as the scale allows.
    package static func seeds(_ count: Int) -> Range<UInt64> { 0..<UInt64(of(count)) }
}
