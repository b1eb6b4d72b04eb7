internal import DSA
internal import DSASpec
internal import Machine
internal import PCIe
internal import Protocol
internal import ProtocolMessages

extension Server {
    func readRegister(_ arguments: WireReadRegisterArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let index = try deviceIndex(arguments.device)
        let offset = Int(try address(arguments.offset, "offset"))
        var result = WireReadRegisterReturn()
        do throws(RegisterAccessError) {
            let value = try machine.readRegister(at: offset, byteCount: Int(arguments.size), device: index)
            result.value = Hexadecimal.text(value)
        } catch { throw refusal(error, size: arguments.size, device: index) }
        reply(result, to: session, id: id)
    }

    func writeRegister(
        _ arguments: WireWriteRegisterArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let index = try deviceIndex(arguments.device)
        let offset = Int(try address(arguments.offset, "offset"))
        let value = try address(arguments.value, "value")
        guard arguments.size >= 8 || value >> (UInt64(arguments.size) * 8) == 0 else {
            throw WireError(
                .invalidArgument, "is \(arguments.value), more than \(arguments.size) bytes hold",
                path: "arguments.value")
        }
        do throws(RegisterAccessError) {
            try machine.writeRegister(at: offset, byteCount: Int(arguments.size), value: value, device: index)
        } catch { throw refusal(error, size: arguments.size, device: index) }
        announceStates(ofDevice: index)
        noteForeignChange(device: index)
        deliverEffects()
        replyEmpty(to: session, id: id)
    }

    private func refusal(_ error: RegisterAccessError, size: UInt32, device index: Int) -> WireError {
        switch error {
        case .unsupportedSize:
            return WireError(
                .invalidArgument, "is \(size); registers are accessed by 1, 2, 4 or 8 bytes", path: "arguments.size")
        case .misaligned:
            return WireError(
                .invalidArgument, "is no multiple of \(size); accesses are naturally aligned",
                path: "arguments.offset")
        case .outOfRange:
            let end = machine.devices[index].profile.registerLayout.byteCount
            return WireError(
                .invalidArgument, "lies beyond BAR0, which has \(Hexadecimal.text(UInt(end))) bytes",
                path: "arguments.offset")
        }
    }

    func queryFunction(
        _ arguments: WireQueryFunctionArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let settings = machine.devices[try deviceIndex(arguments.device)].function
        var result = WireQueryFunctionReturn()
        result.busMaster = settings.isBusMasterEnabled
        result.ats = settings.isATSEnabled
        result.pasid = settings.isPASIDEnabled
        result.privilegedMode = settings.isPrivilegedModeEnabled
        result.pageRequests = settings.isPageRequestEnabled
        result.pageRequestAllocation = UInt32(clamping: settings.pageRequestAllocation)
        result.trafficClasses = Hexadecimal.text(settings.trafficClasses)
        reply(result, to: session, id: id)
    }

    func configureFunction(
        _ arguments: WireConfigureFunctionArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let index = try deviceIndex(arguments.device)
        var settings = machine.devices[index].function
        if arguments.hasBusMaster { settings.isBusMasterEnabled = arguments.busMaster }
        if arguments.hasAts { settings.isATSEnabled = arguments.ats }
        if arguments.hasPasid { settings.isPASIDEnabled = arguments.pasid }
        if arguments.hasPrivilegedMode { settings.isPrivilegedModeEnabled = arguments.privilegedMode }
        if arguments.hasPageRequests { settings.isPageRequestEnabled = arguments.pageRequests }
        if arguments.hasPageRequestAllocation {
            settings.pageRequestAllocation = Int(arguments.pageRequestAllocation)
        }
        if arguments.hasTrafficClasses {
            settings.trafficClasses = UInt8(
                truncatingIfNeeded: try address(arguments.trafficClasses, "trafficClasses"))
        }
        machine.configureFunction(settings, device: index)
        announceStates(ofDevice: index)
        noteForeignChange(device: index)
        deliverEffects()
        replyEmpty(to: session, id: id)
    }

    func resetFunction(
        _ arguments: WireResetFunctionArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let index = try deviceIndex(arguments.device)
        let reset: HaltReset =
            switch arguments.reset {
            case .warm: .warm
            case .cold: .cold
            case .functionLevel, .UNRECOGNIZED: .functionLevel
            }
        machine.resetFunction(device: index, by: reset)
        announceStates(ofDevice: index)
        deliverEffects()
        replyEmpty(to: session, id: id)
    }

    func haltDevice(_ arguments: WireXDeviceHaltArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let index = try deviceIndex(arguments.device)
        guard machine.devices[index].state != .halted else {
            throw WireError(.wrongState, "\(arguments.device) is halted already")
        }
        machine.halt(device: index, until: HaltReset(rawValue: UInt8(arguments.reset.rawValue)) ?? .resetDevice)
        announceStates(ofDevice: index)
        noteForeignChange(device: index)
        deliverEffects()
        replyEmpty(to: session, id: id)
    }
}
