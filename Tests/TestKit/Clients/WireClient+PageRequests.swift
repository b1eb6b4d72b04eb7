package import DSASpec
package import Protocol
package import ProtocolMessages
internal import SwiftProtobuf

/// Page requests and what leads to them.
extension WireClient {
    /// Answers page requests of the process or VM from now on, or no more.
    package func servePageRequests(_ isServed: Bool = true, vm: UInt32? = nil) throws {
        var arguments = WireServePageRequestsArguments()
        arguments.enabled = isServed
        if let vm { arguments.vm = vm }
        try call(.servePageRequests(arguments))
    }

    /// Waits for the next page request.
    package func nextPageRequest() throws -> WirePageRequest {
        try nextEvent("PAGE_REQUEST").decode(WirePageRequest.self)
    }

    /// Answers a page request and returns what the device was told.
    @discardableResult
    package func respond(
        to request: WirePageRequest, with code: WirePageResponseCode, outOfBand: Bool = false
    ) throws -> WirePageResponseCode {
        let request = Self.response(to: request.request, with: code)
        return try call(request, outOfBand: outOfBand, returning: WirePageResponseReturn.self).code
    }

    /// The command `page-response`.
    package static func response(to request: UInt64, with code: WirePageResponseCode) -> Request {
        .pageResponse(
            .with {
                $0.request = request
                $0.code = code
            })
    }

    /// The page requests without answer that the client may see.
    package func pageRequests() throws -> [WirePageRequest] {
        try call(.queryPageRequests(.init()), returning: WireQueryPageRequestsReturn.self).items
    }

    /// Says what may be done with the page at `address` of the process or VM.
    package func protect(_ address: UInt64, _ access: WireMemoryAccess, vm: UInt32? = nil) throws {
        var arguments = WireProtectMemoryArguments()
        arguments.address = Hexadecimal.text(address)
        arguments.size = 4096
        arguments.access = access
        if let vm { arguments.vm = vm }
        try call(.protectMemory(arguments))
    }

    /// Lets the descriptors of WQ 0 of `dsa0` block on fault. For admin connections.
    package func enableBlockOnFault() throws {
        for command in [WireDeviceCommandArguments.Command.disableWq, .enableWq] {
            if command == .enableWq {
                try call(
                    .configureWq(
                        .with {
                            $0.device = "dsa0"
                            $0.wq = 0
                            $0.blockOnFault = true
                        }))
            }
            let operand: UInt64 = command == .disableWq ? 1 : 0
            let error = try deviceCommand(command, operand: operand).error
            guard error == 0 else { throw TestFailure("device command \(command) fails with \(error)") }
        }
    }
}

extension Descriptor {
    /// The descriptor with Block On Fault.
    package var blockingOnFault: Descriptor {
        var descriptor = self
        descriptor.flags.insert(.blockOnFault)
        return descriptor
    }
}
