import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

extension BadInput {
    /// Clients of another user.
    static let foreigners: [BadInput] = [
        BadInput("another user's process or VM", on: .init(configuration: #"{"sockets":{"mode":"0666"}}"#)) { stage in
            let owner = try stage.daemon.client()
            let vm = try owner.createVM()
            await #expect(processExitsWith: .success) {
                [path = stage.daemon.socketPath as String, vm = vm as UInt32, process = stage.witness.owner as UInt32]
                in
                try Identity.becomeNobody()
                let foreigner = try WireClient(path: path)
                for request in try BadInput.requests(toVM: vm) {
                    let refusal = try foreigner.refusal(of: request)
                    // Not told apart from one that does not exist.
                    #expect(refusal.errorClass == "NotFound", "\(request.command)")
                    #expect(refusal.path == "arguments.vm", "\(request.command)")
                }
                let refusal = try foreigner.refusal(of: .attachProcess(.with { $0.process = process }))
                #expect(refusal.errorClass == "NotFound")
                #expect(try foreigner.ioasids().isEmpty)
                #expect(try foreigner.history().isEmpty)
            }
            try owner.call(.destroyVm(.with { $0.vm = vm }))
        }
    ]
}
