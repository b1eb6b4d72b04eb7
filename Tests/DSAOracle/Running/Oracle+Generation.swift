// What generators of test cases ask the model.

extension Oracle {
    /// The flags that may be 1 in `descriptor`, its other flags as they are; none when its operation is unknown.
    package func permittedFlags(of descriptor: RawDescriptor, isMember: Bool, isPrivileged: Bool) -> UInt32 {
        guard let row = OperationRow.of(descriptor.opcode) else { return 0 }
        return DefectSearch(
            descriptor: descriptor, context: context, isMember: isMember, isPrivileged: isPrivileged,
            pasid: 0
        ).permittedFlags(row)
    }

    /// The 8 bytes that belong behind a block of `data` with these tags.
    package static func difField(
        of data: [UInt8], flags: UInt8, application: UInt16, reference: UInt32
    ) -> [UInt8] {
        DIFField(
            guardTag: guardTag(data, invertsSeed: flags & 0x04 != 0, invertsResult: flags & 0x08 != 0),
            application: application, reference: reference
        ).bytes
    }
}
