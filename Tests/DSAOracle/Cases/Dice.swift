/// Random choices, all from one seed.
package struct Dice: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// The dice of case `index` of a run.
    package init(seed: UInt64, index: Int) {
        state = seed &+ UInt64(bitPattern: Int64(index)) &* 0xD134_2543_DE82_EF95
        _ = next()
    }

    /// SplitMix64.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// 0 to `count` - 1.
    package mutating func below(_ count: Int) -> Int { Int(truncatingIfNeeded: next() >> 1) % count }

    package mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    /// True in `percent` of 100 cases.
    package mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    package mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }

    package mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next()) }

    package mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in byte() } }
}
