import CProtocol
import Foundation
import TestKit
import Testing

/// Both ways to decode a descriptor, the one for any processor and the one that this processor gets.
@Suite("Descriptor decoding")
struct DescriptorDecodingTests {
    private enum Decoder: CaseIterable {
        case ofThisProcessor
        case ofAnyProcessor
    }

    /// The 64 bytes, or `nil` if the decoder refuses the text.
    private func decode(_ text: [UInt8], _ decoder: Decoder) -> [UInt8]? {
        var words = InlineArray<8, UInt64>(repeating: 0)
        let isValid = unsafe withUnsafeMutableBytes(of: &words) { words in
            unsafe text.withUnsafeBytes { text in
                let words = unsafe words.baseAddress!.assumingMemoryBound(to: UInt64.self)
                return switch decoder {
                case .ofThisProcessor: unsafe cp_decode_descriptor(text.baseAddress!, words)
                case .ofAnyProcessor: unsafe cp_decode_descriptor_scalar(text.baseAddress!, words)
                }
            }
        }
        return isValid ? (0..<64).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64($0 % 8 * 8)) } : nil
    }

    @Test(arguments: UInt64(0)..<32)
    func `Any 64 bytes come back from their base64`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let bytes = (0..<64).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let text = Array(Data(bytes).base64EncodedString().utf8)
            for decoder in Decoder.allCases { #expect(decode(text, decoder) == bytes, "seed \(seed)") }
        }
    }

    @Test func `Any character in any place is accepted or refused as Foundation does`() {
        let valid = Array(Data((0..<64).map { UInt8(truncatingIfNeeded: $0 * 5) }).base64EncodedString().utf8)
        for place in valid.indices {
            for character in UInt8.min...UInt8.max {
                var text = valid
                text[place] = character
                let expected = Data(base64Encoded: Data(text)).flatMap { $0.count == 64 ? Array($0) : nil }
                // Foundation drops the bits behind the last byte; RFC 4648 §3.5 lets a decoder refuse them, as here.
                let hasStrayBits = expected.map { Array(Data($0).base64EncodedString().utf8) != text } ?? false
                for decoder in Decoder.allCases {
                    #expect(
                        decode(text, decoder) == (hasStrayBits ? nil : expected), "character \(character) at \(place)")
                }
            }
        }
    }
}
