internal import DSASpec
internal import Foundation
internal import Protocol
internal import ProtocolMessages

/// The requests of the demonstration, from values of the model.
extension Request {
    static func createVM(name: String) -> Request {
        var arguments = WireCreateVmArguments()
        arguments.name = name
        return .createVm(arguments)
    }

    static func destroyVM(_ vm: UInt32) -> Request {
        var arguments = WireDestroyVmArguments()
        arguments.vm = vm
        return .destroyVm(arguments)
    }

    static func attachVCPU(of vm: UInt32) -> Request {
        var arguments = WireAttachVcpuArguments()
        arguments.vm = vm
        return .attachVcpu(arguments)
    }

    static func attachProcess() -> Request { .attachProcess(WireAttachProcessArguments()) }

    /// WRMSR of IA32_PASID with its valid bit.
    static func writePASID(_ pasid: UInt32) -> Request {
        var arguments = WireWriteMsrArguments()
        arguments.msr = Hexadecimal.text(UInt64(0xD93))
        arguments.value = Hexadecimal.text(1 << 31 | UInt64(pasid))
        return .writeMsr(arguments)
    }

    /// Four levels from `root`, a guest physical address.
    static func writeCR3(_ root: UInt64) -> Request {
        var arguments = WireWriteCr3Arguments()
        arguments.value = Hexadecimal.text(root)
        arguments.levels = 4
        return .writeCr3(arguments)
    }

    static func setCPL(_ level: UInt32) -> Request {
        var arguments = WireSetCplArguments()
        arguments.cpl = level
        return .setCpl(arguments)
    }

    /// The limited portal of the shared WQ.
    static func mapPortal() -> Request {
        var arguments = WireMapPortalArguments()
        arguments.device = Setting.device
        arguments.wq = Setting.workQueue
        arguments.portal = .limited
        return .mapPortal(arguments)
    }

    /// Nested translation: the guest's four levels from `root`, then the second stage of the VM.
    static func bind(guestPASID: UInt32, ofVM vm: UInt32, root: UInt64) -> Request {
        var arguments = WireBindGuestPasidArguments()
        arguments.vm = vm
        arguments.guestPasid = guestPASID
        arguments.device = Setting.device
        arguments.firstLevel = Hexadecimal.text(root)
        arguments.levels = 4
        return .bindGuestPasid(arguments)
    }

    static func unbind(guestPASID: UInt32, ofVM vm: UInt32) -> Request {
        var arguments = WireUnbindGuestPasidArguments()
        arguments.vm = vm
        arguments.guestPasid = guestPASID
        return .unbindGuestPasid(arguments)
    }

    static func bindProcess() -> Request {
        var arguments = WireBindProcessArguments()
        arguments.device = Setting.device
        return .bindProcess(arguments)
    }

    static func unbindProcess() -> Request {
        var arguments = WireUnbindProcessArguments()
        arguments.device = Setting.device
        return .unbindProcess(arguments)
    }

    static func enqcmd(_ descriptor: Descriptor, to destination: UInt64) -> Request {
        var arguments = WireSubmissionArguments()
        arguments.destination = Hexadecimal.text(destination)
        arguments.descriptor = Data(descriptor.bytes)
        return .enqcmd(arguments)
    }

    /// Waits until the byte at `address` is not 0.
    static func umwait(_ address: UInt64) -> Request {
        var arguments = WireUmwaitArguments()
        arguments.address = Hexadecimal.text(address)
        arguments.timeoutMs = Setting.patienceMilliseconds / 2
        return .umwait(arguments)
    }

    static func holdEngines(_ hold: Bool) -> Request {
        var arguments = WireXEngineHoldArguments()
        arguments.device = Setting.device
        arguments.hold = hold
        return .xEngineHold(arguments)
    }
}

extension Descriptor {
    /// The 64 bytes in the order of memory.
    var bytes: [UInt8] { (0..<Self.byteCount).map { byte($0) } }
}
