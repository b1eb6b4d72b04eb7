internal import DSASpec
internal import History
internal import IDXD
internal import Machine
internal import PCIe
internal import Protocol
internal import Virtualization

// The life of an open file:
//
//     bind the process (history row, then IOMMU entry) -> open in the driver -> map the portal -> ... ->
//     unmap the portal -> close in the driver (drain) -> unbind the process (drain, then history row)
//
// The process keeps its PASID on a device from its first file there to its last.
extension Server {
    /// Opens the node of a WQ for a process.
    func open(
        _ node: WorkQueueID, in space: ClientSpace, _ session: Session,
        completion: @escaping (Result<WorkQueueFile, Errno>) -> Void
    ) {
        let actor = Actor(session)
        inTurn(space) { [self] done in
            let finish: (Result<WorkQueueFile, Errno>) -> Void = { [self] outcome in
                completion(outcome)
                // Nobody is left to close what a connection opened that has gone meanwhile.
                if case .success(let file) = outcome, session.isClosed {
                    release(file, cause: .clientDied, actor: Actor(onBehalfOf: space.owner)) {}
                }
                done()
            }
            do throws(Errno) { try driver.beginOpen(node) } catch {
                finish(.failure(error))
                return
            }
            let generation = driver.generation(of: node)
            takePASID(of: space, device: node.device, actor: actor) { [self] result in
                switch result {
                case .failure(let error):
                    driver.abandonOpen(of: node, generation: generation)
                    finish(.failure(error))
                case .success(let pasid):
                    open(node, generation: generation, pasid: pasid, in: space, session, actor: actor, finish)
                }
            }
        }
    }

    /// Opens the node for a process that is bound.
    private func open(
        _ node: WorkQueueID, generation: UInt32, pasid: HostPASID, in space: ClientSpace, _ session: Session,
        actor: Actor, _ finish: @escaping (Result<WorkQueueFile, Errno>) -> Void
    ) {
        withDriver(device: node.device) { driver, machine in
            driver.attachFile(
                to: node, generation: generation, pasid: pasid, process: actor.process, machine: &machine)
        } completion: { [self] progress in
            let failure: Errno
            switch progress {
            case .finished(let number):
                do throws(MachineError) {
                    let portal = Portal(workQueue: node.queue, limit: .limited, interruptTable: .msix)
                    let address = try machine.mapPortal(portal, ofDevice: node.device, at: nil, in: space.index)
                    space.portalCount += 1
                    let file = WorkQueueFile(
                        number: number, workQueue: node, session: session.id, space: space, portal: address)
                    workQueueFiles[number] = file
                    finish(.success(file))
                    return
                } catch {
                    failure = .enomem
                    withDriver(device: node.device) { driver, machine in
                        driver.closeFile(number, machine: &machine)
                    } completion: { _ in
                    }
                }
            case .failed(let error): failure = error
            case .waits: preconditionFailure("a request that has ended does not wait")
            }
            leavePASID(of: space, device: node.device, cause: .request, actor: actor) { finish(.failure(failure)) }
        }
    }

    /// Closes a file for good. A space that dies is unbound by its teardown.
    func release(
        _ file: WorkQueueFile, cause: HistoryCause, actor: Actor, completion: @escaping () -> Void
    ) {
        file.phase = .releasing
        let space = file.space
        let device = file.workQueue.device
        inTurn(space) { [self] done in
            do throws(MachineError) {
                _ = try machine.unmap(startingAt: file.portal, from: space.index)
                space.portalCount -= 1
            } catch {
                // The client has used unmap-portal on it.
            }
            withDriver(device: device) { driver, machine in
                driver.closeFile(file.number, machine: &machine)
            } completion: { [self] _ in
                workQueueFiles[file.number] = nil
                leavePASID(of: space, device: device, cause: cause, actor: actor) {
                    completion()
                    done()
                }
            }
        }
    }

    /// Closes what a connection has open.
    func releaseFiles(of session: Session, cause: HistoryCause) {
        let files = workQueueFiles.values.filter { $0.session == session.id && $0.phase != .releasing }
        for file in files.sorted(by: { $0.number < $1.number }) {
            release(file, cause: cause, actor: Actor(onBehalfOf: file.space.owner)) {}
        }
    }

    /// Runs an open or close of a process after those before it. The space's teardown waits for all of them.
    private func inTurn(_ space: ClientSpace, _ operation: @escaping (_ done: @escaping () -> Void) -> Void) {
        space.pendingCount += 1
        let run = { [self] in
            operation { [self] in
                space.pendingCount -= 1
                if space.files.waiting.isEmpty {
                    space.files.isBusy = false
                } else {
                    space.files.waiting.removeFirst()()
                }
                advanceTeardowns()
            }
        }
        guard !space.files.isBusy else {
            space.files.waiting.append(run)
            return
        }
        space.files.isBusy = true
        run()
    }

    // MARK: The PASID of the process

    /// Gives a file the process's PASID on a device, and binds the process if nothing has done so.
    private func takePASID(
        of space: ClientSpace, device: Int, actor: Actor, _ completion: @escaping (Result<HostPASID, Errno>) -> Void
    ) {
        guard let process = space.processIndex else { preconditionFailure("only processes open files") }
        guard !space.isDying else {
            completion(.failure(.enodev))
            return
        }
        if let pasid = machine.pasid(ofProcess: process), machine.isBound(process: process, toDevice: device) {
            space.fileBindings[device, default: FileBinding(count: 0, isOwned: false)].count += 1
            completion(.success(pasid))
            return
        }
        let start: BindingStart
        do throws(MachineError) {
            start = try machine.prepareBinding(ofProcess: process, device: device)
        } catch {
            completion(.failure(Errno(error)))
            return
        }
        completeBinding(start, in: space, device: device, actor: actor) { result in
            switch result {
            case .success(let pasid):
                space.fileBindings[device] = FileBinding(count: 1, isOwned: true)
                completion(.success(pasid))
            case .failure:
                // The history or the IOMMU's tables failed; the log and other commands tell.
                completion(.failure(.enomem))
            }
        }
    }

    /// Takes the process's PASID on a device from a file; with the last file that needs it it is unbound.
    private func leavePASID(
        of space: ClientSpace, device: Int, cause: HistoryCause, actor: Actor, completion: @escaping () -> Void
    ) {
        guard var binding = space.fileBindings[device], let process = space.processIndex else {
            preconditionFailure("a file has the PASID of its process")
        }
        binding.count -= 1
        space.fileBindings[device] = binding.count == 0 ? nil : binding
        guard binding.count == 0, binding.isOwned, !space.isDying else {
            completion()
            return
        }
        do throws(MachineError) {
            let start = try machine.beginUnbind(ofProcess: process, device: device)
            completeUnbinding(start, in: space, cause: cause, actor: actor, completion: completion)
        } catch {
            // unbind-process has done it, or does.
            completion()
        }
    }
}

extension Errno {
    /// What open(2) answers when the host cannot bind the process.
    init(_ error: MachineError) {
        switch error {
        case .ioasid(.noSpace): self = .enospc
        case .outOfFrames: self = .enomem
        case .bindingInProgress: self = .eagain
        default: self = .einval
        }
    }
}
