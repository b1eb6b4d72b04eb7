/// A set of numbers below a fixed capacity that finds its next member in a constant number of steps.
///
/// A tree of 64-bit words: a bit of level n + 1 tells whether the word of level n has any bit. With 2^20 numbers it has
/// four levels and 130 KiB.
struct IdentifierBitmap: Sendable {
    private var words: ContiguousArray<UInt64>
    private let levels: ContiguousArray<Level>

    private struct Level {
        let firstWord: Int
        let wordCount: Int
    }

    /// All numbers below `capacity`, which is at least 1.
    init(allBelow capacity: Int) {
        var levels: ContiguousArray<Level> = []
        var words: ContiguousArray<UInt64> = []
        var bits = capacity
        repeat {
            let wordCount = (bits + 63) / 64
            levels.append(Level(firstWord: words.count, wordCount: wordCount))
            words.append(contentsOf: repeatElement(UInt64.max, count: wordCount))
            if bits % 64 != 0 { words[words.count - 1] = 1 << UInt64(bits % 64) - 1 }
            bits = wordCount
        } while bits > 1
        self.levels = levels
        self.words = words
    }

    func contains(_ number: Int) -> Bool {
        words[number >> 6] >> UInt64(number & 63) & 1 != 0
    }

    mutating func insert(_ number: Int) {
        var position = number
        for level in levels {
            let word = level.firstWord + position >> 6
            let old = words[word]
            words[word] = old | 1 << UInt64(position & 63)
            if old != 0 { return }
            position >>= 6
        }
    }

    mutating func remove(_ number: Int) {
        var position = number
        for level in levels {
            let word = level.firstWord + position >> 6
            words[word] &= ~(1 << UInt64(position & 63))
            if words[word] != 0 { return }
            position >>= 6
        }
    }

    /// The smallest member that is `number` or above.
    func first(from number: Int) -> Int? {
        var position = number
        var depth = 0
        while depth < levels.count {
            let word = position >> 6
            guard word < levels[depth].wordCount else { return nil }
            let bits = words[levels[depth].firstWord + word] & (UInt64.max << UInt64(position & 63))
            if bits != 0 { return lowest(under: word << 6 | bits.trailingZeroBitCount, at: depth) }
            position = word + 1
            depth += 1
        }
        return nil
    }

    private func lowest(under position: Int, at depth: Int) -> Int {
        var position = position
        for level in levels[..<depth].reversed() {
            position = position << 6 | words[level.firstWord + position].trailingZeroBitCount
        }
        return position
    }
}
