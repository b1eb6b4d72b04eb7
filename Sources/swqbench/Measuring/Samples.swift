/// The values of one side, a run each.
struct Samples {
    private(set) var values: [Double] = []

    init(values: [Double] = []) {
        self.values = values
    }

    mutating func append(_ value: Double) {
        values.append(value)
    }

    /// The middle value, or the mean of the middle two. There is at least one.
    var median: Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// The value that one in a hundred exceeds. There is at least one value.
    var percentile99: Double {
        let sorted = values.sorted()
        return sorted[min(sorted.count * 99 / 100, sorted.count - 1)]
    }

    /// The distance of the extremes as a part of the median.
    var spread: Double {
        guard let least = values.min(), let most = values.max(), median != 0 else { return 0 }
        return (most - least) / median
    }
}

/// Two sides, measured in turns, so that a machine that drifts drifts for both.
struct Comparison {
    private(set) var value = Samples()
    private(set) var peer = Samples()

    /// Measures A B A B ..., `runs` of each.
    static func interleaved(
        runs: Int, value: () throws -> Double, peer: () throws -> Double
    ) rethrows -> Comparison {
        var comparison = Comparison()
        for _ in 0..<runs {
            comparison.value.append(try value())
            comparison.peer.append(try peer())
        }
        return comparison
    }
}
