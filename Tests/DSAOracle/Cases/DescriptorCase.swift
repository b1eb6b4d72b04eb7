/// One descriptor with all that its outcome depends on, so that it can be run again, and made smaller.
package struct DescriptorCase: Sendable {
    /// Which of the devices.
    package var device: Int
    package var queue: Int
    /// The address space the WQ or the descriptor names.
    package var space: Int
    package var descriptor = RawDescriptor()
    /// Pages that are not readable and writable for the user.
    package var pages: [PageChange] = []
    /// Bytes that are put into memory before the descriptor is submitted.
    package var presets: [Preset] = []

    package init(device: Int, queue: Int, space: Int) {
        self.device = device
        self.queue = queue
        self.space = space
    }

    package struct PageChange: Sendable {
        package let page: Int
        package let kind: PageKind
    }

    package struct Preset: Sendable {
        package let address: UInt64
        package let bytes: [UInt8]
    }
}

extension DescriptorCase: CustomStringConvertible {
    package var description: String {
        var lines = [
            "device \(device), WQ \(queue), PASID \(CaseLayout.pasids[space])",
            "descriptor:",
        ]
        for row in 0..<4 { lines.append("  " + hexadecimal(descriptor.bytes[row * 16..<row * 16 + 16])) }
        for change in pages {
            lines.append("page \(change.page) at \(hexadecimal(Self.address(ofPage: change.page))): \(change.kind)")
        }
        for preset in presets {
            let shown = hexadecimal(preset.bytes.prefix(640))
            lines.append("\(preset.bytes.count) bytes at \(hexadecimal(preset.address)): \(shown)")
        }
        return lines.joined(separator: "\n")
    }

    private static func address(ofPage page: Int) -> UInt64 {
        OracleMemory(runs: CaseLayout.runs).address(ofPage: page)
    }
}

package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}

package func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
