/// A measurement beside its peer.
struct Row {
    /// Such as `protocol.1x1`.
    let name: String
    /// The median.
    let value: Double
    let unit: String
    /// What it is compared with; `nil` when nothing compares.
    let peer: String?
    let peerValue: Double?
    /// How many times as good as the peer; above 1 is better, whatever the unit. `nil` when the divisor is 0.
    let ratio: Double?
    /// The ratio to reach, `nil` when none is set.
    let target: Double?
    /// The target is reached, and whatever else makes the row count.
    let holds: Bool
    /// Distance of the extremes as a part of the median, for both sides.
    let spread: Double
    let peerSpread: Double?
    /// What else there is to know, for people.
    let note: String

    /// What a larger value means.
    enum Direction {
        case largerIsBetter
        case smallerIsBetter
    }

    /// A row from a comparison.
    ///
    /// - Parameter counts: Whether what was measured counts at all.
    init(
        _ name: String, unit: String, peer: String, _ comparison: Comparison, _ direction: Direction,
        target: Double? = nil, counts: Bool = true, note: String = ""
    ) {
        let (value, peerValue) = (comparison.value.median, comparison.peer.median)
        let (over, under) = direction == .largerIsBetter ? (value, peerValue) : (peerValue, value)
        let ratio = under > 0 ? over / under : nil
        self.name = name
        self.value = value
        self.unit = unit
        self.peer = peer
        self.peerValue = peerValue
        self.ratio = ratio
        self.target = target
        holds = counts && target.map { target in ratio.map { $0 >= target } ?? false } ?? true
        spread = comparison.value.spread
        peerSpread = comparison.peer.spread
        self.note = note
    }
}

extension Row: Encodable {
    private enum Key: String, CodingKey {
        case name, value, unit, peer, peerValue, ratio, target, holds
    }

    /// Writes every member; `null` where there is nothing.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(name, forKey: .name)
        try container.encode(Self.rounded(value), forKey: .value)
        try container.encode(unit, forKey: .unit)
        try container.encode(peer, forKey: .peer)
        try container.encode(peerValue.map(Self.rounded), forKey: .peerValue)
        try container.encode(ratio.map(Self.rounded), forKey: .ratio)
        try container.encode(target, forKey: .target)
        try container.encode(holds, forKey: .holds)
    }

    /// To a thousandth: no measurement here is as exact as that.
    private static func rounded(_ value: Double) -> Double {
        (value * 1000).rounded() / 1000
    }
}
