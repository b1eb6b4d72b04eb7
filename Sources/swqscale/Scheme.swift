/// A way of sharing one device among VMs.
enum Scheme: CaseIterable {
    /// A virtual function for each tenant.
    case virtualFunction
    /// A dedicated WQ for each tenant (`1dwq-v1`).
    case dedicatedQueue
    /// One shared WQ for all (`1swq-v1`).
    case sharedQueue

    var name: String {
        switch self {
        case .virtualFunction: "SR-IOV virtual functions"
        case .dedicatedQueue: "Scalable IOV, dedicated WQs (1dwq-v1)"
        case .sharedQueue: "Scalable IOV, one shared WQ (1swq-v1)"
        }
    }
}

/// What one number of tenants got.
struct Point {
    let tenants: Int
    /// Descriptors that were accepted, per second.
    let acceptedPerSecond: Double
    /// Retries in each attempt, 0 to 1.
    let retryRate: Double
}

/// What one scheme gave, and why it gave no more.
struct Series {
    let scheme: Scheme
    let points: [Point]
    /// What the last tenant was told; `nil` when all that were asked for fit.
    let refusal: String?

    /// A table for people.
    var text: String {
        func column(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        var lines = [scheme.name, column("tenants", 9) + column("accepted/s", 14) + column("retries", 10)]
        for point in points {
            let rate = (point.retryRate * 1000).rounded() / 10
            lines.append(
                column("\(point.tenants)", 9) + column("\(Int(point.acceptedPerSecond))", 14)
                    + column("\(rate) %", 10))
        }
        lines.append(
            "    " + (refusal.map { "refused: \($0)" } ?? "no refusal: every tenant that was asked for has a place"))
        return lines.joined(separator: "\n") + "\n\n"
    }
}
