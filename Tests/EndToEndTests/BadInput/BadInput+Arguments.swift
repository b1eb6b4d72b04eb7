import DSASpec
import Foundation
import Glibc
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

extension BadInput {
    /// Requests whose arguments do not fit, or name what the client has not.
    static let arguments: [BadInput] = [
        refused("an unknown member", "create-vm", #"{"nmae": "x"}"#, path: "arguments.nmae"),
        refused("a member given twice", "create-vm", #"{"name": "x", "name": "y"}"#, path: "arguments.name"),
        refused("a missing member", "destroy-vm", "{}", path: "arguments.vm"),
        refused("a wrong type", "destroy-vm", #"{"vm": "1"}"#, path: "arguments.vm"),
        refused("a null", "create-vm", #"{"name": null}"#, path: "arguments.name"),
        refused("a number out of range", "create-vm", #"{"pasidQuota": 1048576}"#, path: "arguments.pasidQuota"),
        refused("a negative number", "destroy-vm", #"{"vm": -1}"#, path: "arguments.vm"),
        refused("a fraction", "destroy-vm", #"{"vm": 1.5}"#, path: "arguments.vm"),
        refused(
            "an address to invalidate, of no guest PASID", "invalidate-iotlb", #"{"address": "0x1000"}"#,
            path: "arguments.address"),
        refused(
            "a descriptor of 63 bytes", "enqcmd", submission(byteCount: 63), path: "arguments.descriptor"),
        refused(
            "a descriptor of 65 bytes", "enqcmd", submission(byteCount: 65), path: "arguments.descriptor"),
        refused("an attribute without a path", "read-attribute", #"{"path": ""}"#, path: "arguments.path"),
        refused("a write of an attribute without data", "write-attribute", #"{"path": "sys"}"#, path: "arguments.data"),
        refused("data that is not base64", "write-wq", #"{"file": 0, "data": "*"}"#, path: "arguments.data"),
        BadInput("a file that the process has not opened") { stage in
            for request in [
                Request.closeWq(.with { $0.file = 0 }), .unmapWq(.with { $0.file = .max }),
                .pollWq(.with { $0.file = 0 }),
                .writeWq(
                    .with {
                        $0.file = 0
                        $0.data = Data(count: 64)
                    }),
            ] {
                let refusal = try stage.witness.client.refusal(of: request)
                #expect(refusal.errorClass == "NotFound")
                #expect(refusal.path == "arguments.file")
            }
        },
        BadInput("paths that leave the tree") { stage in
            for path in ["../../etc/passwd", "sys/../../x", "sys/module/idxd/%00", "/"] {
                let answer = try stage.witness.client.readAttribute(path)
                #expect(answer == .errno(path == "/" ? 21 : 2))
            }
        },
        BadInput("a portal of a WQ that does not exist") { stage in
            let refusal = try stage.witness.client.refusal(
                of: .mapPortal(
                    .with {
                        $0.device = "dsa0"
                        $0.wq = 8
                    }))
            #expect(refusal.errorClass == "NotFound")
            #expect(refusal.path == "arguments.wq")
        },
        BadInput("a portal of a device that does not exist") { stage in
            let refusal = try stage.witness.client.refusal(
                of: .mapPortal(
                    .with {
                        $0.device = "dsa9"
                        $0.wq = 0
                    }))
            #expect(refusal.errorClass == "NotFound")
            #expect(refusal.path == "arguments.device")
        },
        BadInput("an interrupt of a device that does not exist") { stage in
            let refusal = try stage.witness.client.refusal(of: .requestInterrupt(.with { $0.device = "dsa9" }))
            #expect(refusal.errorClass == "NotFound")
            #expect(refusal.path == "arguments.device")
        },
        BadInput("an interrupt handle that nobody gave") { stage in
            let refusal = try stage.witness.client.refusal(
                of: .releaseInterrupt(
                    .with {
                        $0.device = "dsa0"
                        $0.table = .ims
                        $0.handle = 65535
                    }))
            #expect(refusal.errorClass == "NotFound")
            #expect(refusal.path == "arguments.handle")
        },
        refused(
            "an interrupt table that does not exist", "request-interrupt", #"{"device": "dsa0", "table": "apic"}"#,
            path: "arguments.table"),
        refused(
            "an eventfd for a handle and an index", "set-interrupt-eventfd",
            #"{"device": "dsa0", "table": "msix", "handle": 1, "index": 1}"#, path: "arguments"),
        BadInput("a submission to an address where no portal is") { stage in
            // What the processor reports is a return: #PF.
            let reply = try stage.witness.client.enqcmd(Descriptor(), to: 0x1000)
            #expect(reply.exception.vector == "#PF")
            #expect(!reply.hasZf)
        },
        BadInput("a page request that does not exist") { stage in
            for request in [1, UInt64.max] {
                let refusal = try stage.witness.client.refusal(of: WireClient.response(to: request, with: .pageSuccess))
                #expect(refusal.errorClass == "NotFound")
                #expect(refusal.path == "arguments.request")
            }
        },
        BadInput("a process that does not exist") { stage in
            let refusal = try stage.daemon.client().refusal(of: .attachProcess(.with { $0.process = 4_000_000 }))
            #expect(refusal.errorClass == "NotFound")
            #expect(refusal.path == "arguments.process")
        },
        BadInput("a VM that does not exist") { stage in
            for request in try requests(toVM: 4_000_000) {
                let refusal = try stage.daemon.client().refusal(of: request)
                #expect(refusal.errorClass == "NotFound", "\(request.command)")
                #expect(refusal.path == "arguments.vm", "\(request.command)")
            }
        },
    ]

    /// Every command that names a VM.
    static func requests(toVM vm: UInt32) throws -> [Request] {
        [
            .attachVcpu(.with { $0.vm = vm }),
            .destroyVm(.with { $0.vm = vm }),
            .allocIoasid(.with { $0.vm = vm }),
            .queryIoasids(.with { $0.vm = vm }),
            .queryVm(.with { $0.vm = vm }),
            .wakeVcpu(
                .with {
                    $0.vm = vm
                    $0.vcpu = 0
                }),
            .queryMemory(.with { $0.vm = vm }),
            .queryPageRequests(.with { $0.vm = vm }),
            .queryIommuFaults(.with { $0.vm = vm }),
            .invalidateIotlb(.with { $0.vm = vm }),
            .servePageRequests(
                .with {
                    $0.vm = vm
                    $0.enabled = true
                }),
            .allocMemory(
                .with {
                    $0.vm = vm
                    $0.size = 4096
                }),
            .bindGuestPasid(
                .with {
                    $0.vm = vm
                    $0.guestPasid = 1
                    $0.device = "dsa0"
                }),
            .unbindGuestPasid(
                .with {
                    $0.vm = vm
                    $0.guestPasid = 1
                }),
        ]
    }

    private static func submission(byteCount: Int) -> String {
        let descriptor = Base64Text.encode([UInt8](repeating: 0, count: byteCount))
        return #"{"destination": "0x1000", "descriptor": "\#(descriptor)"}"#
    }

    /// A request that is refused with InvalidArgument at `path`.
    private static func refused(
        _ description: String, _ command: String, _ arguments: String, path: String
    ) -> BadInput {
        BadInput(description) { stage in
            // The witness is a processor: what is left to refuse is the argument.
            let client = stage.witness.client
            try client.send(bytes: ClientRequest.line(command, arguments: Array(arguments.utf8)))
            let refusal = try client.receiveUnidentifiedRefusal()
            #expect(refusal.errorClass == "InvalidArgument")
            #expect(refusal.path == path)
        }
    }
}
