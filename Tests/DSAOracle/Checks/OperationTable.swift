/// A row of table 1.4 of the device reference.
struct OperationRow {
    /// Flags that may be 1 when every capability and configuration permits them, without Fence.
    let flags: UInt32
    /// The numbers of the bytes that must be 0, as far as no flag decides.
    let reserved: [Int]
    /// CRAV and RCR must be 1.
    let requiresRecord: Bool

    private init(_ flags: UInt32, _ reserved: [ClosedRange<Int>], requiresRecord: Bool = false) {
        self.flags = flags
        self.reserved = reserved.flatMap(Array.init)
        self.requiresRecord = requiresRecord
    }

    /// The row of `opcode`, or `nil` when the reference has none.
    static func of(_ opcode: UInt8) -> OperationRow? {
        opcode < rows.count ? rows[Int(opcode)] : nil
    }

    private static let rows: [OperationRow?] = {
        var rows = [OperationRow?](repeating: nil, count: 0x21)
        rows[0x00] = OperationRow(0x00101C, [16...35, 38...63])
        rows[0x01] = OperationRow(0x01121C, [24...31, 38...63])
        rows[0x02] = OperationRow(0x0F161C, [32...35, 38...63])
        rows[0x03] = OperationRow(0x00771E, [38...63])
        rows[0x04] = OperationRow(0x04751E, [38...39, 48...63])
        rows[0x05] = OperationRow(0x00169E, [38...39, 41...63], requiresRecord: true)
        rows[0x06] = OperationRow(0x00129E, [38...39, 41...63], requiresRecord: true)
        rows[0x07] = OperationRow(0x007F9E, [38...39, 52...55, 57...63], requiresRecord: true)
        rows[0x08] = OperationRow(0x00771E, [38...39, 44...63])
        rows[0x09] = OperationRow(0x007F1E, [38...39, 48...63])
        rows[0x0A] = OperationRow(0x01121E, [24...31, 38...47, 52...63])
        rows[0x10] = OperationRow(0x0F1A1E, [24...31, 38...39, 56...63], requiresRecord: true)
        rows[0x11] = OperationRow(0x0F7F1E, [38...39, 56...63], requiresRecord: true)
        rows[0x12] = OperationRow(0x00121E, [24...31, 38...39, 41...41, 43...47, 56...63], requiresRecord: true)
        rows[0x13] = OperationRow(0x00771E, [38...39, 40...40, 43...55])
        rows[0x14] = OperationRow(0x00771E, [38...39, 41...41, 43...47, 56...63])
        rows[0x15] = OperationRow(0x00771E, [38...39, 43...47])
        rows[0x20] = OperationRow(0x00751E, [16...23, 38...63])
        return rows
    }()
}
