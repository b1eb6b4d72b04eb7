package import DSASpec
internal import Foundation
internal import Protocol
internal import ProtocolMessages
internal import SwiftProtobuf

/// What a system call on the driver's files answered: its value, or the error number.
package enum CallResult<Value: Equatable & Sendable>: Equatable, Sendable {
    case value(Value)
    case errno(UInt32)
}

/// An open file of a device node.
package struct OpenWQ: Equatable, Sendable {
    package let file: UInt32
    package let portal: UInt64
}

/// The commands that stand for system calls on the Linux driver's files.
extension WireClient {
    /// The text of an attribute, by its path below the root.
    package func readAttribute(_ path: String) throws -> CallResult<String> {
        let result = try call(.readAttribute(.with { $0.path = path }), returning: WireReadAttributeReturn.self)
        return result.errno == 0 ? .value(String(decoding: result.data, as: UTF8.self)) : .errno(result.errno)
    }

    /// Writes an attribute once; returns the bytes taken.
    @discardableResult
    package func writeAttribute(_ path: String, _ text: String) throws -> CallResult<UInt32> {
        let request = Request.writeAttribute(
            .with {
                $0.path = path
                $0.data = Data(text.utf8)
            })
        return Self.result(try call(request, returning: WireWriteAttributeReturn.self))
    }

    private static func result(_ result: WireWriteAttributeReturn) -> CallResult<UInt32> {
        result.errno == 0 ? .value(result.written) : .errno(result.errno)
    }

    package func openWQ(_ name: String) throws -> CallResult<OpenWQ> {
        try Self.result(call(.openWq(.with { $0.wq = name }), returning: WireOpenWqReturn.self))
    }

    private static func result(_ result: WireOpenWqReturn) throws -> CallResult<OpenWQ> {
        guard result.errno == 0 else { return .errno(result.errno) }
        return .value(OpenWQ(file: result.file, portal: try number(result.portal)))
    }

    /// An open that has to succeed.
    package func opened(_ name: String) throws -> OpenWQ {
        switch try openWQ(name) {
        case .value(let file): return file
        case .errno(let number): throw TestFailure("open of \(name) fails with \(number)")
        }
    }

    package func closeWQ(_ file: UInt32, keepsPortal: Bool = false) throws {
        try call(
            .closeWq(
                .with {
                    $0.file = file
                    if keepsPortal { $0.keepsPortal = true }
                }))
    }

    package func unmapWQ(_ file: UInt32) throws {
        try call(.unmapWq(.with { $0.file = file }))
    }

    package func pollWQ(_ file: UInt32) throws -> Bool {
        try call(.pollWq(.with { $0.file = file }), returning: WirePollWqReturn.self).readable
    }

    /// A write of whole descriptors and what follows them; returns the bytes taken.
    package func writeWQ(
        _ file: UInt32, _ descriptors: [Descriptor], rest: [UInt8] = []
    ) throws -> CallResult<UInt32> {
        var bytes: [UInt8] = []
        for descriptor in descriptors {
            for word in 0..<8 {
                for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: descriptor[word: word] >> (byte * 8))) }
            }
        }
        let request = Request.writeWq(
            .with {
                $0.file = file
                $0.data = Data(bytes + rest)
            })
        let result = try call(request, returning: WireWriteWqReturn.self)
        return result.errno == 0 ? .value(result.written) : .errno(result.errno)
    }
}
