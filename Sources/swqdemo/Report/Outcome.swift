internal import Platform

/// What came of one participant.
struct Outcome {
    let name: String
    let id: ProcessID
    let participation: Participation
    let totals: Totals

    static let headings = [
        "WHO", "PID", "VM", "PROCESS", "GUEST PASID", "HOST PASID", "ACCEPTED", "COMPLETED", "RETRIED", "BYTES CHECKED",
        "#GP FIX-UPS",
    ]

    /// The cells below ``headings``.
    var cells: [String] {
        [
            name, "\(id)", participation.vm.map(String.init) ?? "-", participation.process.map(String.init) ?? "-",
            participation.guestPASID.map(String.init) ?? "-", "\(participation.hostPASID)", "\(totals.accepted)",
            "\(totals.completed)", "\(totals.retried)", "\(totals.checkedBytes)", "\(totals.fixups)",
        ]
    }
}
